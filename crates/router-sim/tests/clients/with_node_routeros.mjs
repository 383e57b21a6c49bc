// Drives a router with npm node-routeros; prints what it saw as JSON.
import { createRequire } from "node:module";

const [, , home, port, user, password] = process.argv;
const { RouterOSAPI } = createRequire(home + "/")("node-routeros");

const api = new RouterOSAPI({ host: "127.0.0.1", port: Number(port), user, password, timeout: 5 });
await api.connect();
const seen = {};
seen.identity = (await api.write("/system/identity/print"))[0].name;

const heard = new Promise((resolve) => {
  const stream = api.stream("/ip/firewall/address-list/listen", (error, row) => {
    if (error) resolve(String(error));
    else if (row && row.address) stream.close().then(() => resolve(row.address), () => resolve(row.address));
  });
});
// The listener is on before the change: commands of one connection are answered in order.
await api.write("/system/identity/print");
const added = await api.write("/ip/firewall/address-list/add", ["=list=paid", "=address=10.0.0.5/32", "=timeout=1h"]);
seen.added = typeof added[0].ret;
seen.heard = await heard;
const rows = await api.write("/ip/firewall/address-list/print", ["?list=paid", "?list=none", "?#|"]);
seen.rows = rows.map((row) => [row.list, row.address, row.dynamic]);
try {
  await api.write("/ip/firewall/address-list/add", ["=list=paid", "=address=10.0.0.5"]);
  seen.twice = "accepted";
} catch (error) {
  seen.twice = error.message;
}
await api.write("/ip/firewall/address-list/remove", ["=.id=" + added[0].ret]);
seen.left = (await api.write("/ip/firewall/address-list/print")).length;
await api.close();
console.log(JSON.stringify(seen));
