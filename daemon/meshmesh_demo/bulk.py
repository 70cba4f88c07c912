"""What a Bulk 2.0 job is, and CSV in and out of it."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field

from meshmesh_demo.errors import refuse
from meshmesh_demo.jsons import Json

DELIMITERS = {"COMMA": ",", "TAB": "\t", "SEMICOLON": ";", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row."""

    row: dict[str, str]
    record_id: str
    created: bool
    error: str | None


@dataclass(slots=True, kw_only=True)
class Job:
    """One job; `kind` is `ingest` or `query`."""

    id: str
    kind: str
    operation: str
    object: str
    owner_id: str
    created_at: str
    version: str
    delimiter: str
    key: str = ""
    state: str = "Open"
    data: bytes = b""
    header: list[str] = field(default_factory=list[str])
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    rows: list[list[str]] = field(default_factory=list[list[str]])

    def document(self) -> Json:
        """The job as the API tells it."""
        document: Json = {
            "id": self.id, "operation": self.operation, "object": self.object, "createdById": self.owner_id,
            "createdDate": self.created_at, "systemModstamp": self.created_at, "state": self.state,
            "concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": float(self.version.removeprefix("v")),
            "lineEnding": "LF", "columnDelimiter": self.delimiter, "jobType": "V2Ingest" if self.kind == "ingest" else "V2Query",
        }  # fmt: skip
        if self.kind == "ingest":
            document["contentUrl"] = f"services/data/{self.version}/jobs/ingest/{self.id}/batches"
            if self.key:
                document["externalIdFieldName"] = self.key
            document["numberRecordsFailed"] = sum(one.error is not None for one in self.outcomes)
        document["numberRecordsProcessed"] = len(self.outcomes) + len(self.rows)
        return document

    def read_rows(self) -> list[dict[str, str]]:
        """The uploaded rows; keeps the header too.

        Raises:
            SalesforceError: the CSV has no shape.
        """
        try:
            text = self.data.decode("utf-8-sig")
            table = [
                row for row in csv.reader(io.StringIO(text), delimiter=DELIMITERS[self.delimiter], strict=True) if row
            ]
        except (csv.Error, UnicodeDecodeError):
            raise refuse("InvalidBatch", "InvalidBatch : the data is no valid CSV") from None
        self.header = table[0] if table else []
        if any(len(row) != len(self.header) for row in table):
            raise refuse("InvalidBatch", "InvalidBatch : a row has not as many columns as the header")
        return [dict(zip(self.header, row, strict=True)) for row in table[1:]]


def written(header: Iterable[str], rows: Iterable[Iterable[str]], delimiter: str = "COMMA") -> bytes:
    """Rows as CSV, every value in quotes."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=DELIMITERS[delimiter], quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "replace")
