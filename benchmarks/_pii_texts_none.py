"""More templates, as in `_pii_texts`: what only looks like personal data, and what may be masked or not."""

# What looks like one: the line before ``::`` names it.
NONE = """
zip4:: Ship the badges to <<city>>, IL <<zip4>>.
%%
zip4:: address,zip
12 Dock Rd,<<zip4>>
%%
ein:: Our EIN is <<ein>>, W-9 attached.
%%
ein:: <<client>> (FEIN <<ein>>), net 30
%%
order:: Fill <<order>> and <<po>> first.
%%
order:: re: <<po>> / <<order>> – <<two>> pickers, <<shift>>
%%
invoice:: Invoice <<invoice>> is overdue, total $<<thousands>>.
%%
invoice:: inv no,amount
<<invoice>>,<<pay>>
%%
nine_digit_id:: Badge <<nine>> does not open gate B.
%%
nine_digit_id:: order number <<nine>>, <<two>> pallets
%%
nine_digit_id:: account,balance
<<nine>>,<<pay>>
%%
nine_digit_id:: PLU <<nine>> moved to aisle <<two>>
%%
ten_digit_id:: Confirmation <<ten>> for the drug screen.
%%
ten_digit_id:: ticket=<<ten>> state=open
%%
timestamp:: <<stamp>> INFO shift closed, <<two>> workers
%%
timestamp:: last seen <<epoch>>, synced <<epoch_ms>>
%%
timestamp:: {"ts": <<epoch_ms>>, "event": "clock_in"}
%%
timestamp:: job ran at <<epoch>> for <<two>> s
%%
date:: Start <<date>>, end <<date>>, week <<range>>.
%%
date:: weeks <<range>> and <<range>> are open
%%
date_time:: 05-04-2026 0700 1530 dock <<two>>
%%
date_time:: <<date>> <<time>>-<<time>> then <<date>> <<shift>>
%%
ip:: GET /orders from <<ip>> took <<two>> ms
%%
ip:: vpn <<ip>>:8443, backup <<ip>>/24
%%
ipv6_mac:: host <<ipv6>> mac <<mac>>
%%
ipv6_mac:: kiosk at <<mac>>, route <<ipv6>>/64
%%
part:: Part <<part>> is on back order.
%%
part:: SKU <<part>>, bin <<two>>-<<two>>, qty <<four>>
%%
part:: lot <<part>> / lot <<part>> scanned
%%
part:: replace filter <<part>> on dock <<two>>
%%
impossible_ssn:: Part no. <<impossible>> is out of stock.
%%
impossible_ssn:: lot <<impossible>>, shelf <<two>>
%%
guid:: request <<guid>> done
%%
guid:: {"id": "<<guid>>", "trace": "<<guid>>"}
%%
sha:: commit <<sha>> broke the import
%%
sha:: sha256:<<sha256>> timesheets.parquet
%%
version:: Chrome <<version>> on the kiosk, app <<version>>
%%
version:: upgraded lake from <<version>> to <<version>>
%%
isbn:: Safety manual, ISBN <<isbn>>, <<two>> copies
%%
isbn:: forklift handbook <<isbn>>
%%
coordinates:: Gate B is at <<coordinates>>.
%%
coordinates:: lat,lon
<<coordinates>>
%%
bad_card:: Tracking <<bad_card>> was delivered.
%%
bad_card:: order ref <<bad_card>> from <<client>>
%%
tracking:: UPS <<tracking>> – badges and vests
%%
tracking:: parcel <<tracking>> left <<city>>
%%
amounts:: hours <<amounts>> total $<<thousands>>
%%
amounts:: Q1 <<thousands>> Q2 <<thousands>> Q3 <<thousands>>
%%
amounts:: Column sums: <<four>> <<four>> <<four>> <<four>>
%%
amounts:: <<two>> <<two>> <<four>> and <<two>> <<four>> boxes
%%
shift:: Shifts <<shift>>, <<shift>>, pay <<pay>> to <<pay>>
%%
shift:: crew of <<two>>, <<shift>>, zone <<two>>-<<four>>
%%
at_sign:: <<two>> pickers @ <<pay>>/hr, meet @ <<time>>
%%
at_sign:: ping @dispatch, use logo@2x.png and numpy@2.1.0
%%
at_sign:: SELECT @hours := 40; -- see ops@night
%%
at_sign:: role@site: picker@dock4, lead@dock2
%%
words_like_keys:: See <<words>> in the shared drive.
%%
words_like_keys:: the file is called <<words>>.xlsx
%%
key_talk:: Please reset my password, the token expired.
%%
key_talk:: password: ********  (ask the desk)
%%
key_talk:: OPENAI_API_KEY=$OPENAI_API_KEY make demo
%%
key_talk:: api_key = os.environ["API_KEY"]
%%
key_talk:: Bring your key card; the bearer of this letter may enter.
%%
key_talk:: Authorization: Bearer <token>
%%
key_talk:: pwd: /srv/lake/orders
%%
key_talk:: the password must have at least 12 characters
%%
public_key:: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPublicPartOnlyNothingSecretHere0 desk
%%
public_key:: -----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
-----END PUBLIC KEY-----
%%
url:: see https://portal.example.com:8443/orders/<<four>>?week=<<two>>#top
%%
url:: https://files.example.com/@rockford/list.csv
%%
url:: ftp://files.example.com:21/in/<<date>>.csv
%%
url:: https://desk@files.example.com/shared
%%
word_mark:: Mark the timesheet as approved by <<time>>.
%%
word_mark:: please mark every pallet with chalk
%%
word_will:: Will the <<role>> be there by <<time>>?
%%
word_will:: they will grant access when the badge prints
%%
word_will:: Will pay <<pay>> for nights
%%
word_rose:: Pay rose to <<pay>>; Rose Street dock is closed
%%
word_rose:: the rate rose again in <<city>>
%%
word_chase:: Deposit goes to Chase Bank, chase the client for <<invoice>>
%%
word_chase:: Chase branch on State St opens at <<time>>
%%
word_other:: At dawn, in April, we hope the day shift grows.
%%
word_other:: Long day: cook, driver, mason, carpenter and porter needed
%%
word_other:: The price is reed-thin; banks close at 5; park in lot B
%%
word_other:: Faith-based client wants young hunters for an art bill
%%
word_other:: April pay dates: <<date>>
%%
city_name:: Site in Jackson, MS and Austin, TX; <<two>> welders
%%
city_name:: Washington, DC and Jefferson City, MO offices closed
%%
city_name:: Sydney time zone, Jordan River plant
%%
city_name:: trucks from Lambert, MO to Lopez Island
%%
other_id:: client CL-<<four>> wants order JO-<<worker_digits>>
%%
other_id:: <<worker_digits>> pallets, W-2 and W-4 forms, W 43rd St
%%
other_id:: form W-9, model W-<<two>>, dock W<<two>>
%%
other_id:: Route 66, hwy <<worker_digits>>
%%
base64:: <img src="data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4">
%%
base64:: "integrity": "sha512-v2kDEe57lecTulaDIuNTPy3Ry4gLGJ6Z1O3vE1krgXZNrsQ+LFTGHVxVjcXPs17LhbZVGedAJv8XZ1tvj5FvSg=="
"""

EITHER = """
placeholder_ssn:: SSN: <<either:placeholder_ssn>>
%%
placeholder_ssn:: ssn <<either:placeholder_ssn>> on file
%%
called_card:: card <<either:called_card>> was refused
%%
called_card:: Card number <<either:called_card>>
%%
outside_name:: Supervisor: <<either:outside_name>>
%%
outside_name:: I spoke with <<either:outside_name>> today
%%
outside_worker:: <<either:outside_worker>> is not in the list
%%
outside_worker:: worker <<either:outside_worker>>, unknown
%%
assignment:: <<either:assignment>>,<<date>>
%%
assignment:: assignment <<either:assignment>> ended
%%
service_address:: clone <<either:service_address>>:desk/lake.git
%%
service_address:: from <<either:service_address>>
%%
toll_free:: Benefits line <<either:toll_free>>
%%
toll_free:: call <<either:toll_free>> for help
%%
iban:: IBAN <<either:iban>>
%%
iban:: pay to <<either:iban>>
"""

FILLERS = """
Thanks for the quick answer.
%%
The dock opens at <<time>> and parking is free.
%%
Steel toes and a vest, please.
%%
Order <<order>> is for <<client>>, <<two>> people.
%%
Pay is <<pay>> an hour, weekly.
%%
Lunch is 30 minutes, unpaid.
%%
Start <<date>>, shift <<shift>>.
%%
Let us know by noon.
%%
We need a <<role>> in <<city>>.
%%
– sent from my phone –
%%
Bus 12 stops in front of the gate.
%%
See the attached list.
"""
