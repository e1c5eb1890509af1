"""What others have published of judges: tables of results, with their sources."""

from alignbench.literature.tables import ReferenceTable as ReferenceTable
from alignbench.literature.tables import read_reference as read_reference
from alignbench.literature.tables import references as references
