// Files of snapshots: what is written is read, and what is damaged in any place is found; which of
// them are used.
#include "core/runtime/snapshots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

#include "core/base/random.h"
#include "core/base/strings.h"
#include "core/runtime/latency.h"

namespace levada::runtime {
namespace {

using testing::HasSubstr;
using Entries = std::vector<std::pair<std::string, std::string>>;

SnapshotHeader Header() {
  return {.topic = "changelog",
          .partition = 3,
          .offset = 1234,
          .taken_ms = NowMs(),
          .life = "0123456789abcdef",
          .life_at = 7};
}

Entries Some(int count) {
  Entries entries;
  for (int i = 0; i < count; ++i) {
    entries.emplace_back(base::StrCat("key-", i), std::string(i * 37 % 300, 'x'));
  }
  return entries;
}

// Walks over given entries.
class Walk : public StateWalk {
 public:
  explicit Walk(Entries entries) : entries_(std::move(entries)) {}
  absl::StatusOr<bool> Next(size_t bytes, const Visit& visit) override {
    for (size_t seen = 0; seen < bytes && at_ < entries_.size(); ++at_) {
      visit(entries_[at_].first, entries_[at_].second);
      seen += entries_[at_].second.size();
    }
    return at_ < entries_.size();
  }

 private:
  const Entries entries_;
  size_t at_ = 0;
};

// One entry, which takes until it is told.
class WaitingWalk : public StateWalk {
 public:
  explicit WaitingWalk(std::future<void> until) : until_(std::move(until)) {}
  absl::StatusOr<bool> Next(size_t, const Visit& visit) override {
    until_.wait();
    visit("k", "after");
    return false;
  }

 private:
  const std::future<void> until_;
};

absl::StatusOr<Entries> ReadAll(SnapshotReader& reader) {
  Entries entries;
  while (true) {
    auto batch = reader.Next();
    if (!batch.ok()) return batch.status();
    if (batch->empty()) return entries;
    for (const Record& record : batch->records()) entries.emplace_back(record.key, record.value);
  }
}

absl::StatusOr<Entries> ReadFile(const std::string& path) {
  auto reader = SnapshotReader::Open(path);
  if (!reader.ok()) return reader.status();
  return ReadAll(**reader);
}

class SnapshotsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = base::StrCat(testing::TempDir(), "snapshots-", base::RandomSeed());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Path(int partition = 3) const {
    return base::StrCat(folder_, "/", partition, ".snapshot");
  }
  void Write(const SnapshotHeader& header, const Entries& entries, size_t block = 10) {
    auto writer = SnapshotWriter::Open(Path(header.partition), header);
    ASSERT_TRUE(writer.ok()) << writer.status();
    for (size_t i = 0; i < entries.size(); i += block) {
      std::string bytes;
      const size_t end = std::min(i + block, entries.size());
      for (size_t k = i; k < end; ++k) AppendEntry(entries[k].first, entries[k].second, &bytes);
      ASSERT_TRUE((*writer)->Append(bytes, end - i).ok());
    }
    ASSERT_TRUE((*writer)->Finish().ok());
  }
  std::string Bytes() const {
    std::ifstream in(Path(), std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    return bytes.str();
  }
  void PutBytes(std::string_view bytes) const { std::ofstream(Path(), std::ios::binary) << bytes; }
  std::unique_ptr<Snapshots> Open(std::chrono::milliseconds max_age = std::chrono::hours(12)) {
    return Snapshots::Open({folder_, "changelog", max_age}, &probe_);
  }
  double Ignored() {
    for (const auto& family : registry_.Collect()) {
      if (family.name != "levada_scoring_snapshots_total") continue;
      for (const auto& metric : family.metric) {
        if (metric.label.back().value == "ignored") return metric.counter.value;
      }
    }
    return -1;
  }

  std::string folder_;
  prometheus::Registry registry_;
  SnapshotProbe probe_{registry_, {}};
};

TEST_F(SnapshotsTest, WhatIsWrittenIsRead) {
  for (const int count : {0, 1, 9, 10, 11, 500}) {
    Write(Header(), Some(count));
    auto reader = SnapshotReader::Open(Path());
    ASSERT_TRUE(reader.ok()) << reader.status();
    EXPECT_EQ((*reader)->header().topic, "changelog");
    EXPECT_EQ((*reader)->header().partition, 3);
    EXPECT_EQ((*reader)->header().offset, 1234);
    EXPECT_EQ((*reader)->header().life, "0123456789abcdef");
    EXPECT_EQ((*reader)->header().life_at, 7);
    const auto entries = ReadAll(**reader);
    ASSERT_TRUE(entries.ok()) << entries.status();
    EXPECT_EQ(*entries, Some(count));
    EXPECT_EQ((*reader)->entries(), static_cast<uint64_t>(count));
  }
}

TEST_F(SnapshotsTest, DamageIsFoundInEveryPlace) {
  Write(Header(), Some(25));
  const std::string good = Bytes();
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= 1 << i % 8;
    PutBytes(bad);
    EXPECT_FALSE(ReadFile(Path()).ok()) << "byte " << i;
    PutBytes(good.substr(0, i));
    EXPECT_FALSE(ReadFile(Path()).ok()) << "cut at " << i;
  }
  PutBytes(good + "x");
  EXPECT_FALSE(ReadFile(Path()).ok());
  std::string newer = good;
  newer[8] = 2;
  PutBytes(newer);
  EXPECT_THAT(ReadFile(Path()).status().ToString(), HasSubstr("version 2"));
  PutBytes(good);
  EXPECT_TRUE(ReadFile(Path()).ok());
}

TEST_F(SnapshotsTest, AreWrittenWholeOrNotAtAll) {
  auto snapshots = Open();
  ASSERT_NE(snapshots, nullptr);
  EXPECT_EQ(snapshots->Find(3), nullptr);
  snapshots->Write(Header(), std::make_unique<Walk>(Some(1000)));
  auto found = snapshots->Find(3);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(*ReadAll(*found), Some(1000));

  auto draft = snapshots->Begin(Header());
  std::string entries;
  AppendEntry("k", "v", &entries);
  draft->Append(entries, 1);
  draft.reset();  // given up
  EXPECT_EQ(*ReadAll(*snapshots->Find(3)), Some(1000));

  draft = snapshots->Begin(Header());
  draft->Append(entries, 1);
  draft->Finish();
  draft.reset();
  EXPECT_EQ(*ReadAll(*snapshots->Find(3)), (Entries{{"k", "v"}}));
  // Nothing else is left there.
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    files += entry.path().filename() != "lock";
  }
  EXPECT_EQ(files, 1);
}

TEST_F(SnapshotsTest, ThatAreOfNoUseAreIgnored) {
  auto snapshots = Open();
  ASSERT_NE(snapshots, nullptr);
  int ignored = 0;
  const auto use = [&](const std::function<void(SnapshotHeader*)>& change) {
    SnapshotHeader header = Header();
    change(&header);
    Write(header, Some(3));
    if (header.partition != 3) std::filesystem::rename(Path(header.partition), Path(3));
    const bool used = snapshots->Find(3) != nullptr;
    if (!used) ++ignored;
    EXPECT_EQ(Ignored(), ignored);
    EXPECT_EQ(std::filesystem::exists(Path()), used);
    return used;
  };
  EXPECT_TRUE(use([](SnapshotHeader*) {}));
  EXPECT_TRUE(use([](SnapshotHeader* header) { header->taken_ms -= 11 * 3'600'000; }));
  EXPECT_FALSE(use([](SnapshotHeader* header) { header->taken_ms -= 13 * 3'600'000; }));
  EXPECT_FALSE(use([](SnapshotHeader* header) { header->taken_ms += 3'600'000; }));
  EXPECT_FALSE(use([](SnapshotHeader* header) { header->topic = "another"; }));
  EXPECT_FALSE(use([](SnapshotHeader* header) { header->partition = 4; }));
  PutBytes("what is this");
  EXPECT_EQ(snapshots->Find(3), nullptr);
}

// A disk that is slow: the loop goes on with what there is.
TEST_F(SnapshotsTest, FindDoesNotWaitForLong) {
  auto snapshots = Snapshots::Open(
      {folder_, "changelog", std::chrono::hours(12), std::chrono::milliseconds(200)}, &probe_);
  snapshots->Write(Header(), std::make_unique<Walk>(Entries{{"k", "before"}}));
  ASSERT_NE(snapshots->Find(3), nullptr);
  std::promise<void> writes;
  snapshots->Write(Header(), std::make_unique<WaitingWalk>(writes.get_future()));
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) {
    const auto found = snapshots->Find(3);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(*ReadAll(*found), (Entries{{"k", "before"}}));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
  writes.set_value();
  snapshots.reset();  // writes what waits
  EXPECT_EQ(*ReadFile(Path()), (Entries{{"k", "after"}}));
}

TEST_F(SnapshotsTest, AFolderIsOfOneWorkerAndIsCleared) {
  SnapshotHeader old = Header();
  old.taken_ms -= 13 * 3'600'000;
  Write(old, Some(3));
  Write(Header(), {});
  old.partition = 8;
  Write(old, Some(3));
  std::ofstream(Path(5) + ".new") << "half";
  {
    const auto first = Open();
    ASSERT_NE(first, nullptr);
    EXPECT_EQ(Open(), nullptr);
    EXPECT_TRUE(std::filesystem::exists(Path(3)));
    EXPECT_FALSE(std::filesystem::exists(Path(5) + ".new"));
    EXPECT_FALSE(std::filesystem::exists(Path(8)));
  }
  EXPECT_NE(Open(), nullptr) << "the first one has ended";
}

TEST_F(SnapshotsTest, AFullDiskLeavesTheOneBefore) {
  auto snapshots = Open();
  ASSERT_NE(snapshots, nullptr);
  snapshots->Write(Header(), std::make_unique<Walk>(Some(5)));
  ASSERT_NE(snapshots->Find(3), nullptr);
  std::filesystem::create_symlink("/dev/full", Path() + ".new");
  snapshots->Write(Header(), std::make_unique<Walk>(Some(5000)));
  auto found = snapshots->Find(3);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(*ReadAll(*found), Some(5));
  snapshots->Write(Header(), std::make_unique<Walk>(Some(7)));
  found = snapshots->Find(3);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(*ReadAll(*found), Some(7)) << "there is room again";
}

}  // namespace
}  // namespace levada::runtime
