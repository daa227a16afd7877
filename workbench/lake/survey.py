from __future__ import annotations
import hashlib
from dataclasses import dataclass
@dataclass(frozen=True)
class Survey:
    size_bytes:int; sha256:str; encoding:str; lf:int; crlf:int; cr:int; quotes:int; nul:int; compression:str=""
def survey(path,*,encoding=None,on_progress=None):
    h=hashlib.sha256(); n=0
    with path.open("rb") as f:
        while c:=f.read(1<<20): h.update(c); n+=len(c)
    return Survey(n,h.hexdigest(),"utf-8",0,0,0,0,0)
