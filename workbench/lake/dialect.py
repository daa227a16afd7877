from __future__ import annotations
import csv
from dataclasses import dataclass
from workbench.lake.mapping import literal
@dataclass(frozen=True)
class Overrides:
    encoding:str|None=None; delimiter:str|None=None; quote:str|None=None; escape:str|None=None; skip_lines:int|None=None; header_rows:int|None=None; names:tuple|None=None; trailing_lines:int|None=None
@dataclass(frozen=True)
class Dialect:
    encoding:str; delimiter:str; quote:str; escape:str; skip_lines:int; header_rows:int; names:tuple; keep:tuple; width:int; regular:bool; findings:tuple=()
def detect(path,facts,overrides=Overrides()):
    with path.open(encoding="utf-8",newline="") as f: names=tuple(next(csv.reader(f)))
    return Dialect("utf-8",",",'"',"doubled",0,1,names,tuple(range(len(names))),len(names),True)
def duckdb_scan(path,d,*,raw=False):
    cols=", ".join(f"{literal(n)}: 'VARCHAR'" for n in d.names)
    return f"read_csv({literal(str(path))}, header=true, columns={{{cols}}}, delim={literal(d.delimiter)}, quote='\"', escape='\"', auto_detect=false, store_rejects=true, strict_mode=true)"
def reader_rejected(con):
    return con.execute("SELECT count(*) FROM reject_errors").fetchall()[0][0]>0
