#include "core/anomaly/point_store.h"

#include <algorithm>

namespace levada::anomaly {

PointStore::PointStore(int dimensions, int shingle)
    : dimensions_(dimensions), shingle_(shingle), size_(dimensions * shingle) {
  rows_.reserve(static_cast<size_t>(2 * size_));
}

void PointStore::Append(std::span<const float> row) {
  if (rows_.size() + row.size() > rows_.capacity()) Compact();
  rows_.insert(rows_.end(), row.begin(), row.end());
  ++steps_;
}

uint32_t PointStore::Keep() {
  const auto row = static_cast<uint32_t>(rows_.size() - static_cast<size_t>(size_));
  if (free_.empty()) {
    places_.push_back({row, 1});
    // As many may become free as there are.
    free_.reserve(places_.capacity());
    return static_cast<uint32_t>(places_.size() - 1);
  }
  const uint32_t point = free_.back();
  free_.pop_back();
  places_[point] = {row, 1};
  return point;
}

// Moves what is used to the front. At least half of the space is free afterwards, so this happens
// once in at least as many steps as there are rows in use.
void PointStore::Compact() {
  order_.clear();
  order_.reserve(places_.capacity());
  for (uint32_t point = 0; point < places_.size(); ++point) {
    if (places_[point].references > 0) order_.push_back(point);
  }
  std::sort(order_.begin(), order_.end(),
            [this](uint32_t a, uint32_t b) { return places_[a].row < places_[b].row; });
  const auto size = static_cast<size_t>(size_);
  size_t end = 0;     // of what has been moved
  size_t copied = 0;  // the row in the old numbering up to which all in use is copied
  const auto move = [&](size_t row) {
    const size_t from = std::max(row, copied);
    const size_t place = end - (from - row);  // what overlaps is already in front of `end`
    for (size_t i = from; i < row + size; ++i) rows_[end++] = rows_[i];
    copied = row + size;
    return static_cast<uint32_t>(place);
  };
  for (const uint32_t point : order_) places_[point].row = move(places_[point].row);
  if (const size_t tail = std::min(rows_.size(), size); tail > 0) {
    const size_t from = std::max(rows_.size() - tail, copied);
    for (size_t i = from; i < rows_.size(); ++i) rows_[end++] = rows_[i];
  }
  rows_.resize(end);
  if (rows_.size() * 2 + size > rows_.capacity()) rows_.reserve(rows_.size() * 2 + 2 * size);
}

std::vector<uint32_t> PointStore::LiveByPlace() const {
  std::vector<uint32_t> live;
  for (uint32_t point = 0; point < places_.size(); ++point) {
    if (places_[point].references > 0) live.push_back(point);
  }
  std::sort(live.begin(), live.end(),
            [this](uint32_t a, uint32_t b) { return places_[a].row < places_[b].row; });
  return live;
}

void PointStore::Serialize(ByteWriter& out, std::vector<uint32_t>* numbers) const {
  const std::vector<uint32_t> live = LiveByPlace();
  const auto size = static_cast<size_t>(size_);
  std::vector<float> rows;
  std::vector<size_t> starts;
  size_t copied = 0;
  const auto take = [&](size_t row, size_t count) {
    const size_t from = std::max(row, copied);
    starts.push_back(rows.size() - (from - row));
    for (size_t i = from; i < row + count; ++i) rows.push_back(rows_[i]);
    copied = row + count;
  };
  numbers->assign(places_.size(), 0);
  for (size_t i = 0; i < live.size(); ++i) {
    take(places_[live[i]].row, size);
    (*numbers)[live[i]] = static_cast<uint32_t>(i);
  }
  const size_t tail = std::min(rows_.size(), size);
  take(rows_.size() - tail, tail);
  out.Number(steps_);
  out.Number(rows.size() / static_cast<size_t>(dimensions_));
  out.Raw(rows.data(), rows.size() * sizeof(float));
  out.Number(live.size());
  size_t before = 0;
  for (size_t i = 0; i < live.size(); ++i) {
    out.Number((starts[i] - before) / static_cast<size_t>(dimensions_));
    before = starts[i];
  }
}

void PointStore::Parse(ByteReader& in, size_t max_points) {
  const auto dimensions = static_cast<size_t>(dimensions_);
  const auto size = static_cast<size_t>(size_);
  steps_ = in.Number(uint64_t{1} << 62);
  const size_t rows = in.Number(in.left() / (sizeof(float) * dimensions));
  rows_.clear();
  rows_.reserve(rows * dimensions * 2 + 2 * size);
  rows_.resize(rows * dimensions);
  in.Raw(rows_.data(), rows_.size() * sizeof(float));
  for (const float value : rows_) {
    if (!(std::fabs(value) <= kLargest)) in.Fail();
  }
  if (rows < std::min<uint64_t>(steps_, static_cast<uint64_t>(shingle_))) in.Fail();
  const size_t points = in.Number(std::min(max_points, in.left()));
  places_.clear();
  free_.clear();
  size_t row = 0;
  for (size_t i = 0; i < points && in.ok(); ++i) {
    const uint64_t gap = in.Number(rows);
    row += gap * dimensions;
    // Two points at one place would be one.
    if ((i > 0 && gap == 0) || row + size > rows_.size()) in.Fail();
    places_.push_back({static_cast<uint32_t>(row), 0});
  }
  free_.reserve(places_.capacity());
}

bool PointStore::AllReferenced() const {
  return std::all_of(places_.begin(), places_.end(),
                     [](const Place& place) { return place.references > 0; });
}

size_t PointStore::ByteSize() const {
  return rows_.capacity() * sizeof(float) + places_.capacity() * sizeof(Place) +
         (free_.capacity() + order_.capacity()) * sizeof(uint32_t);
}

}  // namespace levada::anomaly
