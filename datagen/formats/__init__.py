"""One file per format: reading any instruction data into rows and writing rows back out without loss.

`read.read` opens anything (files, folders, stdin, the Hugging Face hub), `write.export` writes any format
that a file here gives as its `FORMAT`.
A container (`jsonl`, `csv`, `parquet`) turns bytes into records; a shape (`alpaca`, `sharegpt`, `messages`,
`prompt_completion`) turns one record into the columns of a row and back; `shape` keeps what no column can say.
"""
