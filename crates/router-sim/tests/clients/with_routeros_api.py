"""Drives a router with PyPI RouterOS-api; prints what it saw as JSON."""
import json
import sys

import routeros_api
from routeros_api.exceptions import RouterOsApiCommunicationError

port, user, password, plain = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "plain"
pool = routeros_api.RouterOsApiPool("127.0.0.1", username=user, password=password, port=port, plaintext_login=plain)
api = pool.get_api()
seen = {"identity": api.get_resource("/system/identity").get()[0]["name"]}

secrets = api.get_resource("/ppp/secret")
seen["none"] = secrets.get(name="house-7")
secrets.add(name="house-7", password="pw", service="pppoe")
row = secrets.get(name="house-7")[0]
seen["row"] = [row["name"], row["service"], row["disabled"]]
secrets.set(id=row["id"], disabled="yes")
seen["disabled"] = secrets.get(name="house-7")[0]["disabled"]
try:
    secrets.add(name="house-7")
    seen["twice"] = "accepted"
except RouterOsApiCommunicationError as error:
    seen["twice"] = str(error)
secrets.remove(id=row["id"])
seen["left"] = secrets.get()
pool.disconnect()
print(json.dumps(seen))
