// jsforce, driven from outside: one call a line on stdin, `["verb", ...arguments]`, one answer a line on stdout,
// `{"value": ...}` or `{"error": {"code", "message"}}`, each with `wire`: headers and bodies as they came from the far
// end. The instance URL is the argument; the access token is in the environment, since everybody can read arguments.
import diagnostics from "node:diagnostics_channel";
import { createInterface } from "node:readline";
import { Connection } from "jsforce";

const org = new Connection({
  instanceUrl: process.argv[2],
  accessToken: process.env.ACCESS_TOKEN,
  version: "66.0",
});
const pages = { headers: { "Sforce-Query-Options": "batchSize=200" } };
const ids = (results) => results.map(({ id }) => id);

const verbs = {
  query: async (soql) => (await org.query(soql)).records,
  query_all: async (soql) => org.query(soql, { ...pages, autoFetch: true, maxFetch: 100_000 }).then((r) => r.records),
  describe_global: async () => (await org.describeGlobal()).sobjects.map(({ name }) => name),
  describe: async (type) => (await org.describe(type)).fields.map(({ name }) => name),
  create: async (type, fields) => (await org.create(type, fields)).id,
  update: async (type, id, fields) => (await org.update(type, { Id: id, ...fields })).success,
  upsert: async (type, key, fields) => (await org.upsert(type, fields, key)).success,
  delete: async (type, id) => (await org.destroy(type, id)).success,
  create_many: async (type, records) => ids(await org.create(type, records)),
  update_many: async (type, records) => ids(await org.update(type, records)),
  delete_many: async (type, records) => ids(await org.destroy(type, records)),
  search: async (sosl) => (await org.search(sosl)).searchRecords,
  limits: async () => Object.keys(await org.limits()),
  identity: async () => (await org.identity()).username,
};

let wire = "";
diagnostics.subscribe("undici:request:headers", ({ response }) => (wire += `${response.headers.join("\n")}\n`));
diagnostics.subscribe("undici:request:bodyChunkReceived", ({ chunk }) => (wire += chunk.toString()));

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, ...args] = JSON.parse(line);
  const answer = await verbs[verb](...args).then(
    (value) => ({ value }),
    (error) => ({ error: { code: error.errorCode ?? error.name, message: error.message } }),
  );
  process.stdout.write(`${JSON.stringify({ ...answer, wire })}\n`);
  wire = "";
}
