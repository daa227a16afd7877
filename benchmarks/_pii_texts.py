"""The templates of the corpus of `_pii_corpus`, written by hand; ``<<slot>>`` is filled there.

A line of ``%%`` parts two templates. They are halved by the digest of their text, group by group: do not look here when
a pattern is changed, the half that is held out is among them.
"""

SSN_SAID = """
SSN: <<ssn>>
%%
Social Security Number <<ssn>>
%%
Social security no. <<ssn>>, DOB <<date>>
%%
Hi, my social is <<ssn>> and I can start <<date>>.
%%
ssn <<ssn>> thx
%%
Subject: I-9 documents

Hello,
as asked, the SSN for <<who>> is <<ssn>>. Please confirm that E-Verify went through.
Best, the Rockford branch
%%
[10:42] ana: what's the soc?
[10:42] ben: soc sec <<ssn>>
[10:43] ana: got it, running E-Verify
%%
{"event": "onboard", "name": "<<who>>", "ssn": "<<ssn>>", "start": "<<date>>"}
%%
name|ssn|start
<<who>>|<<ssn>>|<<date>>
%%
Call note <<time>> AM: candidate read out social security number (<<ssn>>) twice, bad line. Call back.
%%
Taxpayer ID (SSN) – <<ssn>>. W-4 on file, single, no dependents.
%%
Employee's SSN [<<ssn>>]; pay <<pay>>/hr; <<role>>
%%
APPLICATION FOR EMPLOYMENT
Position: <<role>>
S.S.N. <<ssn>>
Available: weekends
%%
need ur SS# its <<ssn>> right?
%%
> Please send the social.
It's <<ssn>>.
> Thanks
%%
Número de Seguro Social: <<ssn>>
%%
SS No: <<ssn>>; shift <<shift>>; client <<client>>
%%
2026-05-04 07:12:09 INFO onboarding ssn=<<ssn>> status=pending
%%
Re: background check. SSN given by phone = "<<ssn>>", the report needs it again.
%%
social security card shows <<ssn>>, expires n/a, copy in folder 7
%%
Full name
<<who>>
Social Security Number
<<ssn>>
Date of birth
<<date>>
%%
W-2 correction: the SSN on file, <<ssn>>, does not match the card.
%%
Order <<order>> for <<client>>: badge office wants name + SSN of each: <<who>> / <<ssn>>
%%
<td>SSN</td><td><<ssn>></td>
"""

SSN_UNSAID = """
<<who>>, <<ssn>>, <<role>>, <<pay>>
%%
Please add her to Monday's list: <<ssn>>, born <<date>>.
%%
here u go <<ssn>>
%%
<<who>> | <<ssn>> | <<city>> | <<date>>
%%
Resume
<<who>>
<<city>>, IL
<<ssn>>
Experience: <<role>>, 4 years
%%
He gave <<ssn>>. I told him we only need it after the offer.
%%
(<<ssn>>)
%%
Background check results for "<<ssn>>": clear.
%%
payroll;<<date>>;<<ssn>>;<<pay>>;approved
%%
Can you look up <<ssn>>? Thx, night desk
%%
1. <<ssn>> - <<role>> - ready
2. no number yet - <<role>> - pending
%%
<<tel>> / <<ssn>> / <<city>>
"""

SSN_NEUTRAL = """
W-2 export 2025
Employee,Number,Wages,Federal tax
<<who>>,<<ssn>>,41250.00,4870.12
%%
Direct deposit forms received (I-9 complete)
name;number;dob
<<who>>;<<ssn>>;<<date>>
%%
First,Last,DOB,No.
Ana,Blackwell,<<date>>,<<ssn>>
%%
Payroll tax file
<<who>>	<<ssn>>	<<date>>	S-0
%%
E-Verify batch: name / number / date of birth
<<who>> / <<ssn>> / <<date>>
%%
1099 list
Recipient | ID No | Amount
<<who>> | <<ssn>> | 5,120.00
"""

PHONE_SAID = """
Phone: <<phone>>
%%
Call me at <<phone>> after <<time>>.
%%
Cell <<phone>>, no voicemail
%%
Tel.: <<phone>> | <<city>>, IL
%%
Hi this is <<who>> my number is <<phone>> can I get more hours
%%
{"phone": "<<phone>>", "shift": "<<shift>>"}
%%
name,phone,city
<<who>>,<<phone>>,<<city>>
%%
Mobile (best): <<phone>>; home none
%%
text <<phone>> if the <<role>> is late pls
%%
Best regards,
<<who>>
Branch manager
T <<phone>>
%%
[08:15] desk: called candidate on <<phone>>, left message
[08:40] desk: he called back
%%
Emergency contact: mother, telephone <<phone>>
%%
Fax/phone <<phone>>
%%
Reach the supervisor at <<phone>> (gate B, <<client>>).
%%
Llámame al teléfono <<phone>>, gracias
%%
WhatsApp <<phone>> – nights only
%%
INFO 2026-05-04T07:12:09Z sms.sent to=<<phone>> phone order=<<order>>
%%
my new phone number: <<phone>>. old one is dead.
%%
<<role>> wanted, <<pay>>/hr. Call or text: <<phone>>!
%%
Contact on site ... <<phone>> (call before <<time>>)
"""

PHONE_UNSAID = """
<<who>> <<phone>> <<city>>
%%
hey its me from the warehouse, <<phone>>
%%
<<who>> • <<city>>, IL 60101 • <<phone>> • <<mail>>
%%
Ask for Theo (<<phone>>).
%%
<<order>>,<<client>>,<<phone>>,<<date>>
%%
She prefers "<<phone>>" over e-mail.
%%
<<phone>>
%%
Night desk: <<phone>>; day desk: <<tel>>.
%%
<<role>>, <<pay>>, dock 4, <<phone>>, steel toes
%%
> who do I ask for
Quincy, <<phone>>. Be there at <<time>>
"""

CARD = """
Card number: <<card>>, exp 09/28
%%
Charge the drug screen to <<card>>.
%%
company visa <<card>> cvv later
%%
name,card,exp
<<who>>,<<card>>,04/29
%%
Hi, for the hotel use <<card>> in my name. <<who>>
%%
[09:01] ana: need a card for the uniforms
[09:02] ben: <<card>>
%%
{"pan": "<<card>>", "amount": "84.10"}
%%
credit card (<<card>>) was declined
%%
pls put the steel toes on <<card>> ok?
%%
Payment method on file
<<card>>
Billing ZIP 60601
%%
Paid with <<card>> on <<date>>; receipt attached.
%%
fuel card <<card>>; PIN in the glove box
%%
ERROR 2026-05-04 07:12:09 gateway refused <<card>> (05 do not honor)
%%
Corporate Amex/Visa: "<<card>>"
%%
tarjeta <<card>> vence 12/27
%%
Invoice to <<client>>; pay by card: <<card>>; PO <<po>>
"""
