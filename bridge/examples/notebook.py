"""A session in cells, as in Jupyter or in an editor that knows `# %%`.

What a cell leaves behind, the next one uses: the org stays open between them, and the token is never in the notebook.
"""

# %% Once: pair this notebook. Later runs find the token that was kept.
import meshmesh

tool = meshmesh.pair("Pipeline notebook", wants=["demo:plan"])
org = tool.connect("demo")
print(org.connection.org_name, "as", org.connection.username)

# %% simple-salesforce, as everybody knows it, without a password or a token.
sf = org.simple_salesforce()
stages = sf.query("SELECT StageName, COUNT(Id) total FROM Opportunity GROUP BY StageName ORDER BY StageName")["records"]
for stage in stages:
    print(f"{stage['StageName']:<24}{stage['total']:>6}")

# %% Or the plain client: records come page by page, as they are taken.
largest = next(org.query("SELECT Name, Amount FROM Opportunity WHERE Amount != null ORDER BY Amount DESC"))
print("Largest:", largest["Name"], largest["Amount"])

# %% At the end.
org.close()
