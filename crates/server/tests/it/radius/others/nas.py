"""A NAS that takes orders: it prints each, and does with the first what the first word says, with
the second what the second says, and with all further ones what the last says."""

import os
import socket
import sys

from pyrad import packet
from pyrad.dictionary import Dictionary

SECRET = os.environ["RADIUS_SECRET"].encode()
DICTIONARY = Dictionary(os.environ["RADIUS_DICTIONARY"])
NAMES = {packet.DisconnectRequest: "disconnect", packet.CoARequest: "coa"}

words = sys.argv[2].split(",")
listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listener.bind(("127.0.0.1", int(sys.argv[1])))
print("listening")
while True:
    octets, sender = listener.recvfrom(4096)
    order = packet.CoAPacket(packet=octets, secret=SECRET, dict=DICTIONARY)
    assert order.VerifyCoARequest(), "an order that nobody signed"
    name, session = order["User-Name"][0], order["Acct-Session-Id"][0]
    word = "503"
    if not name.startswith("lango-is"):
        timeout = order["Session-Timeout"][0] if "Session-Timeout" in order else "-"
        print(NAMES[order.code], name, session, order.id, timeout, octets.hex())
        word = words.pop(0) if len(words) > 1 else words[0]
    if word == "silence":
        continue
    reply = order.CreateReply()
    reply.code = order.code + (1 if word == "ack" else 2)
    if word != "ack":
        reply["Error-Cause"] = int(word)
    reply.add_message_authenticator()
    listener.sendto(reply.ReplyPacket(), sender)
