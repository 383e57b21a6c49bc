//! The archive of a PostgreSQL backup: a file of tables, as bytes.
//!
//! ```text
//! "lango archive 1\n"  u32 schema version
//! per table:           1  name  u16 number of columns  their names
//!                      chunks of COPY's text format, each u32 length and bytes; 0 ends
//! end:                 0  SHA-256 of everything before
//! ```
//! Names are u16 length and UTF-8; numbers are big-endian. Must never trust a
//! length in a file, and never be loaded before the whole sum was right.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

const MAGIC: &[u8; 16] = b"lango archive 1\n";
const LONGEST_CHUNK: usize = 64 << 20;

/// A table and the order of its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
}

/// Writes an archive; it is worth nothing before [`Writer::finish`].
pub(super) struct Writer {
    file: BufWriter<File>,
    sum: Context,
}

impl Writer {
    pub(super) fn create(path: &Path, schema_version: u32) -> Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let mut writer = Self { file: BufWriter::new(file), sum: Context::new(&SHA256) };
        writer.put(MAGIC)?;
        writer.put(&schema_version.to_be_bytes())?;
        Ok(writer)
    }

    pub(super) fn begin_table(&mut self, table: &Table) -> Result<()> {
        self.put(&[1])?;
        self.name(&table.name)?;
        self.put(&short(table.columns.len())?.to_be_bytes())?;
        table.columns.iter().try_for_each(|column| self.name(column))
    }

    pub(super) fn chunk(&mut self, bytes: &[u8]) -> Result<()> {
        // An empty chunk would end the table.
        for part in bytes.chunks(LONGEST_CHUNK) {
            let length = u32::try_from(part.len()).map_err(|_| damaged("a chunk is too long"))?;
            self.put(&length.to_be_bytes())?;
            self.put(part)?;
        }
        Ok(())
    }

    pub(super) fn end_table(&mut self) -> Result<()> {
        self.put(&0_u32.to_be_bytes())
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.put(&[0])?;
        let sum = self.sum.clone().finish();
        self.file.write_all(sum.as_ref())?;
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }

    fn name(&mut self, name: &str) -> Result<()> {
        self.put(&short(name.len())?.to_be_bytes())?;
        self.put(name.as_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.sum.update(bytes);
        self.file.write_all(bytes)
    }
}

fn short(length: usize) -> Result<u16> {
    u16::try_from(length).map_err(|_| damaged("a name is too long"))
}

fn damaged(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

/// Reads an archive whose sum was right.
#[derive(Debug)]
pub(super) struct Reader {
    file: BufReader<File>,
    pub(super) schema_version: u32,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path)?;
        check_sum(&mut file)?;
        file.seek(SeekFrom::Start(0))?;
        let mut reader = Self { file: BufReader::new(file), schema_version: 0 };
        if reader.array()? != *MAGIC {
            return Err(damaged("it is not an archive of this program"));
        }
        reader.schema_version = u32::from_be_bytes(reader.array()?);
        Ok(reader)
    }

    pub(super) fn next_table(&mut self) -> Result<Option<Table>> {
        match self.array()? {
            [0] => Ok(None),
            [1] => {
                let name = self.name()?;
                let columns = u16::from_be_bytes(self.array()?);
                let columns = (0..columns).map(|_| self.name()).collect::<Result<_>>()?;
                Ok(Some(Table { name, columns }))
            }
            _ => Err(damaged("a table was expected")),
        }
    }

    pub(super) fn next_chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let length = u32::from_be_bytes(self.array()?) as usize;
        match length {
            0 => Ok(None),
            length if length > LONGEST_CHUNK => Err(damaged("a chunk is too long")),
            length => self.bytes(length).map(Some),
        }
    }

    fn name(&mut self) -> Result<String> {
        let length = u16::from_be_bytes(self.array()?);
        let bytes = self.bytes(length.into())?;
        String::from_utf8(bytes).map_err(|_| damaged("a name is not text"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

fn check_sum(file: &mut File) -> Result<()> {
    let whole = file.metadata()?.len();
    let length = whole
        .checked_sub(SHA256_OUTPUT_LEN as u64)
        .ok_or_else(|| damaged("it is too short to be an archive"))?;
    let mut sum = Context::new(&SHA256);
    let mut body = BufReader::new(&mut *file).take(length);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match body.read(&mut buffer)? {
            0 => break,
            read => sum.update(&buffer[..read]),
        }
    }
    let mut expected = [0; SHA256_OUTPUT_LEN];
    body.into_inner().read_exact(&mut expected)?;
    if sum.finish().as_ref() == expected {
        Ok(())
    } else {
        Err(damaged("its sum is wrong: it was cut off or changed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::temporary_directory;

    #[test]
    fn an_archive_reads_as_written_and_not_when_changed() {
        let directory = temporary_directory();
        let path = directory.join("archive");
        let table = Table { name: "grants".into(), columns: vec!["id".into(), "größe".into()] };
        let mut writer = Writer::create(&path, 7).unwrap();
        writer.begin_table(&table).unwrap();
        writer.chunk(b"1\tx\n").unwrap();
        writer.chunk(b"").unwrap();
        writer.chunk(b"2\ty\n").unwrap();
        writer.end_table().unwrap();
        writer.finish().unwrap();

        let mut reader = Reader::open(&path).unwrap();
        assert_eq!(reader.schema_version, 7);
        assert_eq!(reader.next_table().unwrap(), Some(table));
        assert_eq!(reader.next_chunk().unwrap().as_deref(), Some(&b"1\tx\n"[..]));
        assert_eq!(reader.next_chunk().unwrap().as_deref(), Some(&b"2\ty\n"[..]));
        assert_eq!(reader.next_chunk().unwrap(), None);
        assert_eq!(reader.next_table().unwrap(), None);

        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            assert!(Reader::open(&path).is_err(), "byte {at} changed");
            std::fs::write(&path, &whole[..at]).unwrap();
            assert!(Reader::open(&path).is_err(), "cut at {at}");
        }
        std::fs::remove_dir_all(directory).unwrap();
    }
}
