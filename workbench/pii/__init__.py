from workbench.pii.kinds import Kind, Span, check_kind
from workbench.pii.spans import find
