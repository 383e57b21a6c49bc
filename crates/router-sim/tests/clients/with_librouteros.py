"""Drives a router with PyPI librouteros; prints what it saw as JSON."""
import json
import sys

from librouteros import connect
from librouteros.exceptions import TrapError
from librouteros.query import Key

port, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]
api = connect(username=user, password=password, host="127.0.0.1", port=port)
seen = {"identity": [row["name"] for row in api.path("system", "identity")]}

users = api.path("ip", "hotspot", "user")
made = users.add(name="amina", password="pw", comment="lango:1", **{"limit-uptime": "36:00:00"})
seen["made"] = made
name, limit, disabled, row_id = Key("name"), Key("limit-uptime"), Key("disabled"), Key(".id")
row = list(users.select(row_id, name, limit, disabled).where(name == "amina"))[0]
seen["row"] = {key: row[key] for key in sorted(row)}
users.update(**{".id": made, "disabled": True})
seen["disabled"] = [row["disabled"] for row in users.select(disabled).where(name == "amina")]
seen["either"] = sorted(row["name"] for row in users.select(name).where(name.In("amina", "default-trial")))
try:
    users.add(name="amina")
    seen["twice"] = "accepted"
except TrapError as trap:
    seen["twice"] = str(trap)
seen["active"] = list(api.path("ip", "hotspot", "active"))
users.remove(made)
try:
    users.remove(made)
    seen["gone"] = "removed twice"
except TrapError as trap:
    seen["gone"] = str(trap)
seen["after the trap"] = len(list(users))
api.close()
print(json.dumps(seen))
