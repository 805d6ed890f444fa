#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "levada/v1/pipeline.pb.h"
#include "services/archiving/disk.h"
#include "services/archiving/row.h"

// Writes rows into one file of the archive. A writer takes every row: rows were checked before
// (RowReader), and a disk that is full is the matter of TempFile.
//
// Not thread-safe.
namespace levada::archiving {

class FileWriter {
 public:
  virtual ~FileWriter() = default;
  // Copies what it needs of the row.
  virtual absl::Status Append(const Row& row) = 0;
  // Bytes held in memory that WriteOut would give to the file.
  virtual size_t buffered() const = 0;
  // Gives what is held to the file. False: it cannot before Finish.
  virtual bool can_write_out() const = 0;
  virtual absl::Status WriteOut() = 0;
  // Completes the file (all but TempFile::Sync). No rows after it.
  virtual absl::Status Finish() = 0;
};

// Newline-delimited JSON: the events' own bytes, line breaks between tokens as spaces; `null` for a
// record without value. `file` outlives the writer.
std::unique_ptr<FileWriter> MakeNdjsonWriter(v1::Compression compression, TempFile* file);
// ".ndjson", ".ndjson.gz", ".ndjson.zst"
std::string_view NdjsonSuffix(v1::Compression compression);
// Appends the line of a record.
void AppendNdjsonLine(const Record& record, std::string* out);

// Parquet, zstd, with `columns` and those of kMetaColumns.
std::unique_ptr<FileWriter> MakeParquetWriter(const Columns& columns, TempFile* file);

// Parquet with columns that are found out from the events (InferColumns). Records are held until
// Finish, which writes them with the `columns` that there are by then.
std::unique_ptr<FileWriter> MakeInferringWriter(const Columns* columns, TempFile* file);

// Widens `columns` to what an event (a valid JSON object) needs:
//
//   all booleans, whole numbers or texts   boolean, long, string
//   numbers, not all whole                 double
//   anything else, or a mixture            any (text as it is, else its JSON)
//
// A column never goes away and its type only widens. There are at most kMaxInferredColumns; fields
// beyond are for `_extra`. False: the event has a field twice.
inline constexpr size_t kMaxInferredColumns = 500;
bool InferColumns(std::string_view event, Columns* columns, std::string* error);
// The columns of both: those of `other` that are not in `columns` behind them, types widened.
void MergeColumns(const Columns& other, Columns* columns);

}  // namespace levada::archiving
