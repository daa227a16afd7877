from __future__ import annotations
from dataclasses import dataclass
@dataclass(frozen=True)
class Reject:
    line:int; byte_offset:int; column:str|None; reason:str; raw:str
def read_rows(path,dialect,*,on_reject,text=False,batch_rows=65536,on_progress=None): raise NotImplementedError
