#include <algorithm>
#include <cmath>
#include <set>

#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/base/units.h"
#include "core/pipeline/check_context.h"
#include "core/pipeline/format.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/schema.h"
#include "core/pipeline/tests.h"

namespace levada::pipeline {

const v1::Topic* ResultTopic(const v1::Pipeline& pipeline, const v1::TestExpectation& expectation) {
  if (!expectation.topic().empty()) return FindTopic(pipeline, expectation.topic());
  const v1::Stage* stage = FindStage(pipeline, expectation.stage());
  const auto topics = stage == nullptr ? std::vector<std::string>() : OutputTopics(*stage);
  return topics.size() == 1 ? FindTopic(pipeline, topics.front()) : nullptr;
}

int64_t TimeMs(const std::string& rfc3339, int64_t otherwise) {
  const auto micros = base::ParseTimestamp(rfc3339);
  return rfc3339.empty() || !micros.ok() ? otherwise : *micros / 1000;
}

int64_t ArrivalMs(std::string_view own, int64_t now_ms) {
  const auto micros = base::ParseTimestamp(own);
  return micros.ok() ? std::max(now_ms, *micros / 1000) : now_ms;
}

int64_t DurationMs(const std::string& duration) {
  const auto ms = base::ParseDuration(duration);
  return ms.ok() ? ms->count() : 0;
}

namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

// From here on a double does not hold every whole number.
constexpr double kLargestWhole = 9007199254740992;  // 2^53

class TestCheck {
 public:
  TestCheck(const CheckContext& context, const v1::Test& test, std::string path)
      : context_(context), test_(test), path_(std::move(path)) {}

  void Run() {
    for (int i = 0; i < test_.given_size(); ++i) {
      CheckInput(test_.given(i), Join(path_ + ".given", i));
    }
    for (int i = 0; i < test_.expect_size(); ++i) {
      CheckExpectation(test_.expect(i), Join(path_ + ".expect", i));
    }
  }

 private:
  void CheckInput(const v1::TestInput& input, const std::string& path) {
    if (!input.wait().empty()) return CheckWait(input, path);
    CheckTime(input, path);
    if (input.tombstone()) {
      CheckTombstone(input, path);
    } else if (input.events_size() == 0 && input.file().empty() && Whole(path)) {
      context_.Error(path, "nothing comes in", "give `events`, `file` or `tombstone: true`");
    }
    if (!input.topic().empty() && context_.Topic(input.topic()) != nullptr &&
        !HasReader(input.topic())) {
      context_.Error(path + ".topic",
                     base::StrCat("no stage reads the topic ", Quote(input.topic())));
    }
    CheckNumbers(input.events(), path + ".events");
  }

  // Nothing else stands beside it.
  void CheckWait(const v1::TestInput& input, const std::string& path) {
    const std::pair<bool, std::string_view> others[] = {
        {input.events_size() > 0, "events"}, {!input.file().empty(), "file"},
        {!input.at().empty(), "at"},         {!input.every().empty(), "every"},
        {!input.key().empty(), "key"},       {input.tombstone(), "tombstone"}};
    for (const auto& [given, key] : others) {
      if (given && input.topic().empty()) {
        context_.Error(Join(path, key), base::StrCat("`", key, "` beside `wait`"),
                       "make it an input of its own");
      }
    }
    now_ms_ += DurationMs(input.wait());
  }

  // Kafka's times are those of arrival: they do not go back. An event's own time may.
  void CheckTime(const v1::TestInput& input, const std::string& path) {
    const int64_t at = TimeMs(input.at(), now_ms_);
    if (at < now_ms_ && !context_.source.Broken(path + ".at")) {
      context_.Error(path + ".at",
                     base::StrCat("this is before what came in before it, ",
                                  base::FormatTimestamp(now_ms_ * 1000)),
                     "a late event has an earlier time in its field");
    }
    now_ms_ = std::max(now_ms_, at);
    const v1::Topic* topic = context_.Topic(input.topic());
    const int64_t every = DurationMs(input.every());
    for (int i = 0; i < input.events_size(); ++i) {
      if (i > 0) now_ms_ += every;
      if (topic == nullptr || !input.at().empty() || (i > 0 && every > 0)) continue;
      const auto own = input.events(i).fields().find(topic->timestamp());
      if (own != input.events(i).fields().end()) now_ms_ = ArrivalMs(TextOf(own->second), now_ms_);
    }
  }

  // A time, as text.
  static std::string TextOf(const Value& value) {
    return value.has_number_value() ? base::StrCat(static_cast<int64_t>(value.number_value()))
                                    : value.string_value();
  }

  void CheckTombstone(const v1::TestInput& input, const std::string& path) {
    if (input.key().empty()) context_.Error(path, "a tombstone without a `key` deletes nothing");
    if (input.events_size() > 0 || !input.file().empty()) {
      context_.Error(path + ".tombstone", "a tombstone beside events",
                     "make it an input of its own");
    }
    const v1::Topic* topic = context_.Topic(input.topic());
    if (topic != nullptr && !topic->compacted()) {
      context_.Error(path + ".tombstone",
                     base::StrCat("the topic ", Quote(topic->name()), " is not compacted"));
    }
  }

  bool HasReader(const std::string& topic) const {
    for (const v1::Stage& stage : context_.pipeline.spec().stages()) {
      if (InputTopic(stage) == topic) return true;
      for (const v1::Step& step : stage.scoring().steps()) {
        if (step.join().table() == topic) return true;
      }
    }
    return false;
  }

  void CheckExpectation(const v1::TestExpectation& expectation, const std::string& path) {
    const v1::Stage* stage = FindStage(context_.pipeline, expectation.stage());
    if (!expectation.stage().empty() && stage == nullptr) {
      context_.Error(path + ".stage", base::StrCat("no stage ", Quote(expectation.stage())),
                     NearestHint(expectation.stage(), StageNames()));
    }
    if (stage != nullptr) CheckStage(*stage, expectation, path);
    if (expectation.events_size() > 0 && expectation.has_count() &&
        static_cast<int>(expectation.count()) != expectation.events_size()) {
      context_.Error(path + ".count",
                     base::StrCat("`events` has ", expectation.events_size(), " records"));
    }
    for (int i = 0; i < expectation.that_size(); ++i) {
      expr::Env env = EnvOf(ResultTopic(context_.pipeline, expectation));
      CheckCondition(context_, Join(path + ".that", i), expectation.that(i), &env);
    }
    CheckNumbers(expectation.events(), path + ".events");
  }

  void CheckStage(const v1::Stage& stage, const v1::TestExpectation& expectation,
                  const std::string& path) {
    if (stage.has_ingest()) {
      context_.Error(path + ".stage", "an ingest stage does not run in a test",
                     "events are given to the topic that it writes");
    } else if (!expectation.topic().empty()) {
      const std::vector<std::string> topics = OutputTopics(stage);
      if (std::find(topics.begin(), topics.end(), expectation.topic()) != topics.end()) return;
      context_.Error(path + ".topic",
                     base::StrCat("the stage ", Quote(stage.name()), " does not write the topic ",
                                  Quote(expectation.topic())),
                     topics.empty() ? "it writes none" : "it writes " + OneOf(topics));
    }
  }

  std::vector<std::string> StageNames() const {
    std::vector<std::string> names;
    for (const v1::Stage& stage : context_.pipeline.spec().stages()) {
      if (!stage.has_ingest()) names.push_back(stage.name());
    }
    return names;
  }

  void CheckNumbers(const google::protobuf::RepeatedPtrField<Struct>& events,
                    const std::string& path) {
    for (int i = 0; i < events.size(); ++i) {
      for (const auto& [key, value] : events[i].fields()) {
        CheckNumber(value, Join(Join(path, i), key));
      }
    }
  }

  void CheckNumber(const Value& value, const std::string& path) {
    if (value.has_number_value() && std::abs(value.number_value()) > kLargestWhole &&
        std::trunc(value.number_value()) == value.number_value()) {
      context_.Error(path, "a whole number beyond 2^53 loses digits here",
                     "put the events into a `file`");
    }
    for (const auto& [key, field] : value.struct_value().fields()) {
      CheckNumber(field, Join(path, key));
    }
    for (int i = 0; i < value.list_value().values_size(); ++i) {
      CheckNumber(value.list_value().values(i), Join(path, i));
    }
  }

  // False where something of it could not be read: that is told already.
  bool Whole(const std::string& path) const {
    return !context_.source.Broken(path + ".events") && !context_.source.Broken(path + ".file");
  }

  const CheckContext& context_;
  const v1::Test& test_;
  const std::string path_;
  int64_t now_ms_ = kTestBeginMs;
};

}  // namespace

void CheckTests(const CheckContext& context) {
  std::set<std::string> names;
  for (int i = 0; i < context.pipeline.spec().tests_size(); ++i) {
    const v1::Test& test = context.pipeline.spec().tests(i);
    const std::string path = Join("spec.tests", i);
    if (!test.name().empty() && !names.insert(test.name()).second) {
      context.Error(path + ".name", base::StrCat("a second test ", Quote(test.name())));
    }
    TestCheck(context, test, path).Run();
  }
}

}  // namespace levada::pipeline
