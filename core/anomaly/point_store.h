#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/anomaly/bytes.h"

// The points that the trees of a forest have sampled, each held once.
//
// A point is the last `shingle` rows of a stream, `dimensions` numbers a row. Points that follow
// one another share all but one row, so the store holds rows, and a point is a place among them:
//
//   rows     r0 r1 r2 r3 r4 …          shingle 3
//   point 0  └──────┘
//   point 1     └──────┘
//
//   PointStore store(2, 3);
//   store.Append(row);                  // the newest point is now the last three rows
//   const uint32_t point = store.Keep();  // it has a number, and one reference
//   const float* values = store.At(point);
//   store.Release(point);               // without references it is dropped, sooner or later
//
// Pointers are good until the next Append. Thread-safety: one thread at a time.
namespace levada::anomaly {

class PointStore {
 public:
  PointStore(int dimensions, int shingle);

  int size() const { return size_; }  // numbers a point
  // Whether a whole shingle has come in.
  bool full() const { return steps_ >= static_cast<uint64_t>(shingle_); }
  uint64_t steps() const { return steps_; }
  void Append(std::span<const float> row);
  // The newest point, if full().
  const float* newest() const { return rows_.data() + rows_.size() - size_; }

  uint32_t Keep();
  void Retain(uint32_t point) { ++places_[point].references; }
  void Release(uint32_t point) {
    if (--places_[point].references == 0) free_.push_back(point);
  }
  const float* At(uint32_t point) const { return rows_.data() + places_[point].row; }

  // store := steps:number rows:number values:float* points:number (gap:number)*
  // Only rows that a point or the newest shingle uses, and points by place, `gap` rows after the
  // one before. `numbers` becomes what each point's number is in the bytes.
  void Serialize(ByteWriter& out, std::vector<uint32_t>* numbers) const;
  // Points get the numbers 0, 1, …, without references. Fails by the reader.
  void Parse(ByteReader& in, size_t max_points);
  // Drops points without references after Parse.
  bool AllReferenced() const;
  size_t points() const { return places_.size(); }

  size_t ByteSize() const;

 private:
  struct Place {
    uint32_t row = 0;  // index of its first number in rows_
    uint32_t references = 0;
  };

  std::vector<uint32_t> LiveByPlace() const;
  void Compact();

  int dimensions_;
  int shingle_;
  int size_;
  uint64_t steps_ = 0;
  std::vector<float> rows_;
  std::vector<Place> places_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> order_;  // scratch of Compact
};

}  // namespace levada::anomaly
