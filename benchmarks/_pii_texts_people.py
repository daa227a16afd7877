"""More templates, as in `_pii_texts`: e-mail addresses, secrets, names and worker ids; do not look here either."""

EMAIL = """
E-mail: <<email>>
%%
Send the timesheet to <<email>> by Friday.
%%
<<who>> <<email>>
%%
From: Payroll desk <<email>>
To: branch
Subject: hours for <<order>>
%%
name,email,city
<<who>>,<<email>>,<<city>>
%%
{"email": "<<email>>", "role": "<<role>>"}
%%
my email is <<email>>
%%
Cc: <<email>>; <<mail>>
%%
(<<email>>)
%%
Please write to <<email>>, not to the old address!
%%
<<city>>, IL | <<tel>> | <<email>> | linkedin
%%
2026-05-04 07:12:09 WARN bounce rcpt=<<email>> code=550
%%
"<<email>>" bounced again.
%%
https://portal.example.com/reset?user=<<email>>&step=2
%%
he spelled it: <<email>>. please try
%%
Contacto: <<email>>, turno <<shift>>
%%
Resume
<<who>>
<<email>>
<<role>>, 6 years
%%
<a href="#"><<email>></a>
%%
kopie an <<email>> bitte; danke
%%
[11:02] ana: where to?
[11:02] ben: <<email>>
"""

SECRET = """
<<secret>>
%%
here's the key for the load job: <<secret>>
%%
please keep this private
<<secret>>
thanks
%%
[16:20] ana: it says 401
[16:21] ben: try <<secret>>
%%
export TOKEN_FILE=/tmp/t  # was <<secret>>
%%
2026-05-04 07:12:09 DEBUG request <<secret>> status=200
%%
The portal asks for it: <<secret>> and then the branch number.
%%
Hi IT, the timesheet import stopped.
I used <<secret>>
Could you look? Branch <<city>>
%%
> what did you put in the config
<<secret>>
> ok
%%
integration for <<client>> (<<secret>>)
%%
note to self - <<secret>> - rotate in June
%%
curl said: <<secret>>
%%
config.ini
[lake]
<<secret>>
%%
Call note: vendor dictated <<secret>>, wrong of them.
%%
"<<secret>>"
%%
Ticket <<order>>: <<secret>>
"""

NAME = """
<<name>> starts Monday at <<client>>.
%%
Please confirm <<name>> for the <<shift>> shift.
%%
Worker: <<name>>
Role: <<role>>
Pay: <<pay>>
%%
Spoke with <<name>> about <<order>>, wants <<pay>>.
%%
1) <<name>> 2) open 3) open
%%
no show again: <<name>> (<<client>>)
%%
<<date>>,<<name>>,<<role>>,8.0
%%
Re: badge for <<name>>
%%
can u send <<name>> instead, the other one is sick
%%
{"candidate": "<<name>>", "score": 0.91}
%%
Resume of <<name>>, <<role>>, <<city>>
%%
<<name>>
<<city>>, IL
<<tel>>
%%
The client asked for <<name>> by name; <<name>> said yes.
%%
[07:55] gate: <<name>> is here
[07:56] desk: ok let in
%%
INFO matched candidate="<<name>>" order=<<order>>
%%
Timesheet approved for <<name>>: 38.5 hours
%%
Do not send <<name>> to <<client>> until the review is over.
%%
envié a <<name>> al turno de noche
%%
"<<name>>" clocked in at <<time>>
%%
Attendance – <<name>> – late 12 min
"""

NAME_FIRST = """
Hi <<name>>,
can you work <<date>> at <<client>>?
%%
hey <<name>> u coming in tmrw?
%%
Thanks,
<<name>>
%%
Dear <<name>>, your shift moved to <<time>>.
%%
[12:01] desk: hello <<name>>!
[12:03] worker: hi
%%
I called <<name>> twice, no answer.
%%
Please tell <<name>> that the dock is closed.
%%
ask <<name>> about <<order>>
%%
Good morning <<name>> - badge is at the gate.
%%
Spoke to <<name>>: wants days, not nights.
"""

NAME_LAST = """
Mr. <<name>> will not return to <<client>>.
%%
Ms. <<name>> called at <<time>>.
%%
Dear Mrs. <<name>>:
thank you for your application.
%%
Per Ms <<name>>, the drug screen is done.
%%
Nurse <<name>> (RN) takes the night shift.
%%
Sr. <<name>> confirma el turno
"""

WORKER = """
Worker <<worker>> accepted <<order>>.
%%
<<worker>>,<<role>>,<<pay>>
%%
Please assign <<worker>> to <<client>> on <<date>>
%%
{"candidate_id": "<<worker>>", "fit": 0.8}
%%
<<who>> (<<worker>>)
%%
fill: <<worker>>; backup: none
%%
is <<worker>> still active?
%%
[06:40] gate: badge <<worker>> not read
[06:41] desk: let in
%%
INFO fill order=<<order>> worker=<<worker>> ok
%%
Timesheet of <<worker>>: 40.0 h
%%
swap <<worker>> for the late shift pls
%%
Two no-shows this month from <<worker>>.
"""

WORKER_SAID = """
worker id <<worker>>
%%
worker_id,hours
<<worker>>,38.5
%%
Worker ID: <<worker>>, role <<role>>
%%
{"worker_id": <<worker>>, "order": "<<order>>"}
%%
candidate id <<worker>> is ready
%%
Worker no. <<worker>> called off for <<date>>
"""
