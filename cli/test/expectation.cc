#include "cli/test/expectation.h"

#include <algorithm>

#include "cli/target/table.h"
#include "cli/test/compare.h"
#include "cli/test/condition.h"
#include "core/base/strings.h"
#include "core/pipeline/format.h"
#include "core/pipeline/tests.h"

namespace levada::cli {
namespace {

using nlohmann::json;

constexpr size_t kMaxShown = 10;  // of one kind of failure
constexpr int kMaxRecordCharacters = 400;

std::string Text(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string TextOrNone(const std::optional<json>& value) { return value ? Text(*value) : "(none)"; }

std::string Show(const TestRecord& record) {
  if (!record.value) return base::StrCat("(a tombstone for the key ", record.key.value_or(""), ")");
  return Clip(*record.value, kMaxRecordCharacters);
}

// A tombstone, or what is no JSON, is equal to no event that can be expected.
json EventOf(const TestRecord& record) {
  if (!record.value) return nullptr;
  json event = json::parse(*record.value, nullptr, /*allow_exceptions=*/false);
  return event.is_discarded() ? json(*record.value) : event;
}

class Look {
 public:
  Look(const v1::Pipeline& pipeline, const v1::TestExpectation& expected, const TestBed& bed,
       std::vector<Failure>* failures)
      : pipeline_(pipeline), expected_(expected), bed_(bed), failures_(failures) {
    for (const TestRecord& record : bed.written(expected.stage())) {
      if (expected.topic().empty() || record.topic == expected.topic()) records_.push_back(&record);
    }
  }

  void Events(const std::vector<json>& wanted) {
    if (expected_.events_size() == 0 && expected_.file().empty()) return;
    std::vector<json> got;
    for (const TestRecord* record : records_) got.push_back(EventOf(*record));
    const std::vector<Mismatch> mismatches = Compare(wanted, got, expected_.match());
    for (size_t i = 0; i < mismatches.size() && i < kMaxShown; ++i) Tell(mismatches[i], wanted);
    More(mismatches.size(), "records are not as expected");
  }

  void Count() {
    if (!expected_.has_count() || expected_.count() == records_.size()) return;
    Failure& failure =
        Fail(base::StrCat("expected ", expected_.count(), " records, got ", records_.size()));
    for (size_t i = 0; i < records_.size() && i < kMaxShown; ++i) {
      failure.lines.push_back("+ " + Show(*records_[i]));
    }
  }

  void Conditions() {
    for (const std::string& source : expected_.that()) {
      const auto condition =
          Condition::Compile(source, pipeline::ResultTopic(pipeline_, expected_));
      if (!condition.ok()) {
        Fail(base::StrCat(source, ": ", condition.status().message()));
        continue;
      }
      if (records_.empty()) Fail(base::StrCat("no record for which this could hold: ", source));
      size_t failed = 0;
      for (size_t i = 0; i < records_.size(); ++i) {
        const absl::StatusOr<bool> holds = condition->Holds(*records_[i]);
        if (holds.ok() && *holds) continue;
        if (++failed > kMaxShown) continue;
        Failure& failure =
            Fail(base::StrCat("record ", i + 1, " of ", records_.size(), ": this does ",
                              holds.ok() ? "not hold: " : "not evaluate: ", source));
        if (!holds.ok()) failure.lines.push_back(std::string(holds.status().message()));
        failure.lines.push_back("+ " + Show(*records_[i]));
      }
      More(failed, "records for which this does not hold");
    }
  }

  // Dead letters and the texts, each in order.
  void Errors() {
    if (expected_.errors_size() == 0) return;
    const std::vector<BuriedRecord>& buried = bed_.buried(expected_.stage());
    const size_t wanted = expected_.errors_size();
    for (size_t i = 0; i < std::max(wanted, buried.size()); ++i) {
      const std::string* text = i < wanted ? &expected_.errors(static_cast<int>(i)) : nullptr;
      if (text != nullptr && i < buried.size() &&
          buried[i].error.find(*text) != std::string::npos) {
        continue;
      }
      Failure& failure = Fail(base::StrCat("dead letter ", i + 1, " is not as expected"));
      failure.lines.push_back("- " + (text != nullptr ? "… " + *text + " …" : "(none)"));
      failure.lines.push_back("+ " + (i < buried.size() ? buried[i].error : "(none)"));
      if (i < buried.size()) failure.lines.push_back("  of " + Show(buried[i].record));
    }
  }

 private:
  Failure& Fail(std::string_view what) {
    const std::string topic =
        expected_.topic().empty() ? "" : base::StrCat(", topic ", expected_.topic());
    failures_->push_back({base::StrCat("stage ", expected_.stage(), topic, ": ", what), {}});
    return failures_->back();
  }

  void More(size_t count, std::string_view what) {
    if (count > kMaxShown) Fail(base::StrCat("and ", count - kMaxShown, " more ", what));
  }

  void Tell(const Mismatch& mismatch, const std::vector<json>& wanted) {
    if (mismatch.got < 0) {
      Failure& failure = Fail(base::StrCat("expected record ", mismatch.expected + 1, " of ",
                                           wanted.size(), " is missing"));
      failure.lines.push_back("- " + Clip(Text(wanted[mismatch.expected]), kMaxRecordCharacters));
      return;
    }
    const TestRecord& record = *records_[mismatch.got];
    const std::string place = base::StrCat("record ", mismatch.got + 1, " of ", records_.size());
    if (mismatch.expected < 0) {
      Fail(place + " is not expected").lines.push_back("+ " + Show(record));
      return;
    }
    Failure& failure = Fail(place + " differs");
    for (const Difference& difference : mismatch.differences) {
      const std::string name = difference.path.empty() ? "" : difference.path + ": ";
      failure.lines.push_back("- " + name + TextOrNone(difference.expected));
      failure.lines.push_back("+ " + name + TextOrNone(difference.got));
    }
    failure.lines.push_back("  in " + Show(record));
  }

  const v1::Pipeline& pipeline_;
  const v1::TestExpectation& expected_;
  const TestBed& bed_;
  std::vector<Failure>* failures_;
  std::vector<const TestRecord*> records_;
};

}  // namespace

void CheckExpectation(const v1::Pipeline& pipeline, const v1::TestExpectation& expected,
                      const std::vector<json>& records, const TestBed& bed,
                      std::vector<Failure>* failures) {
  Look look(pipeline, expected, bed, failures);
  look.Events(records);
  look.Count();
  look.Conditions();
  look.Errors();
}

void CheckNoneBuried(const std::string& stage, const TestBed& bed, std::vector<Failure>* failures) {
  for (const BuriedRecord& buried : bed.buried(stage)) {
    failures->push_back({base::StrCat("stage ", stage, ": a dead letter that no `errors` expects"),
                         {"+ " + buried.error, "  of " + Show(buried.record)}});
  }
}

}  // namespace levada::cli
