"""Asks a RADIUS server for its life, logs somebody in and reports a session."""

import os
import sys

from pyrad import packet
from pyrad.client import Client
from pyrad.dictionary import Dictionary

authentication, accounting = map(int, sys.argv[1:3])
client = Client(
    server="127.0.0.1",
    authport=authentication,
    acctport=accounting,
    secret=os.environ["RADIUS_SECRET"].encode(),
    dict=Dictionary(os.environ["RADIUS_DICTIONARY"]),
    timeout=5,
    enforce_ma=True,
)
WHO = {"User_Name": "ann", "NAS_Identifier": "lobby", "Calling_Station_Id": "02:00:00:00:00:01"}


def alive(create):
    return client.SendPacket(create(code=packet.StatusServer, message_authenticator=True)).code


def log_in(password):
    request = client.CreateAuthPacket(Service_Type=2, Framed_Protocol=1, **WHO)
    request["User-Password"] = request.PwCrypt(password)
    return client.SendPacket(request)


def report(status, sequence, **more):
    request = client.CreateAcctPacket(
        Acct_Status_Type=status, Acct_Session_Id="py1", message_authenticator=True, **WHO, **more
    )
    request["Class"] = sequence["Class"][0]
    return client.SendPacket(request).code


print("status", alive(client.CreateAuthPacket), alive(client.CreateAcctPacket))
print("wrong", log_in("wrong").code)
accept = log_in("secret")
print("right", accept.code)
print("start", report(1, accept))
print("stop", report(2, accept, Acct_Session_Time=60, Acct_Input_Octets=1000, Acct_Output_Octets=2000))
