"""Write every schema to its file."""

from oomdoc.schemas import path_of, schemas, written

if __name__ == "__main__":
    for name, schema in schemas().items():
        path_of(name).write_text(written(schema), encoding="utf-8")
