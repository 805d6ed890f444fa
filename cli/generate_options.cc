#include "cli/generate_options.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "core/base/strings.h"
#include "core/base/suggest.h"
#include "core/base/time.h"

namespace levada::cli {

using base::StrCat;

const std::string_view kGenerateFraudHelp =
    R"(Usage: levada generate fraud [FLAG…]

Simulates card transactions with three kinds of fraud, after the description in the Fraud Detection
Handbook (amounts above 220; compromised terminals; compromised customers). The same flags give the
same events everywhere, as JSON, one a line, in the order of their time.

What is simulated
  --customers N     customers (5000); each makes about two transactions a day
  --terminals N     terminals (10000)
  --days N          days (183), 0: without end
  --start DATE      first day, YYYY-MM-DD (2018-04-01) or `today`; days are in UTC
  --seed N          another seed, another world (1)
  --live            event times are now, and every run gives other events; needs --rate

Where it goes
  --to FILE         a file, `-` for standard output (the default)
  --to http://…     a gateway, as NDJSON batches (https:// too); waits and repeats when it answers 429
                    or 503, or does not answer
  --to kafka:TOPIC  a topic
  --kafka BROKERS   host:port[,host:port…]; without it the environment's LEVADA_KAFKA
  --key FIELD       the Kafka record's key: entity_id (default), terminal_id, event_id or none
  --batch N         events a request to a gateway (500)
  --labels WHERE    none (default): the events do not say what is fraud
                    field: is_fraud and fraud_scenario in each event
                    file:PATH or topic:NAME: {event_id, event_time, is_fraud, fraud_scenario}, one for
                    each event

How much and how fast
  --count N         stop after N events
  --rate N          events a second; without it as fast as possible

Ctrl-C ends it after what was made has been written. Exit code: 0; 1 when events could not be written
or were refused; 2 for wrong usage.

Examples
  levada generate fraud --days 30 --labels file:labels.jsonl --to events.jsonl
  levada generate fraud --live --rate 200 --to http://127.0.0.1:8080/v1/transactions
  levada generate fraud --count 1000000 --to kafka:transactions --kafka 127.0.0.1:9092
)";

namespace {

absl::Status Wrong(std::string_view flag, std::string_view value, std::string_view expected) {
  return absl::InvalidArgumentError(StrCat("--", flag, " is \"", value, "\", expected ", expected));
}

template <typename Number>
bool ParseNumber(std::string_view text, Number* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

bool ParseStart(std::string_view text, int32_t* day) {
  if (text == "today") {
    *day = base::DaysFromMicros(base::NowMicros());
    return true;
  }
  const absl::StatusOr<int32_t> parsed = base::ParseDate(text);
  if (parsed.ok()) *day = *parsed;
  return parsed.ok();
}

bool ParseDestination(std::string_view text, Destination* target) {
  constexpr std::string_view kTopic = "kafka:";
  if (text.starts_with("http://") || text.starts_with("https://")) {
    *target = {Destination::Kind::kHttp, std::string(text)};
  } else if (text.starts_with(kTopic)) {
    *target = {Destination::Kind::kKafka, std::string(text.substr(kTopic.size()))};
  } else {
    *target = {Destination::Kind::kFile, std::string(text)};
  }
  return !target->name.empty();
}

bool ParseLabels(std::string_view text, GenerateOptions* options) {
  constexpr std::string_view kTopic = "topic:";
  constexpr std::string_view kFile = "file:";
  options->label_field = text == "field";
  options->labels = {};
  if (text == "none" || options->label_field) return true;
  if (text.starts_with(kTopic)) {
    options->labels = {Destination::Kind::kKafka, std::string(text.substr(kTopic.size()))};
  } else if (text.starts_with(kFile)) {
    options->labels = {Destination::Kind::kFile, std::string(text.substr(kFile.size()))};
  }
  return !options->labels.name.empty();
}

struct Flag {
  std::string_view expected;
  std::function<bool(std::string_view)> parse;
};

std::map<std::string_view, Flag> Flags(GenerateOptions* options) {
  const auto number = [](auto* value) {
    return [value](std::string_view text) { return ParseNumber(text, value); };
  };
  constexpr std::string_view kWhole = "a whole number";
  return {
      {"customers", {kWhole, number(&options->simulator.customers)}},
      {"terminals", {kWhole, number(&options->simulator.terminals)}},
      {"days", {kWhole, number(&options->simulator.days)}},
      {"seed", {kWhole, number(&options->simulator.seed)}},
      {"count", {kWhole, number(&options->count)}},
      {"start",
       {"YYYY-MM-DD or today",
        [options](std::string_view text) {
          return ParseStart(text, &options->simulator.start_day);
        }}},
      {"rate",
       {"a number above 0",
        [options](std::string_view text) {
          return ParseNumber(text, &options->rate) && options->rate > 0 &&
                 std::isfinite(options->rate);
        }}},
      {"to",
       {"FILE, -, http://HOST:PORT/PATH or kafka:TOPIC",
        [options](std::string_view text) { return ParseDestination(text, &options->to); }}},
      {"labels",
       {"none, field, file:PATH or topic:NAME",
        [options](std::string_view text) { return ParseLabels(text, options); }}},
      {"kafka",
       {"host:port[,host:port…]",
        [options](std::string_view text) {
          options->brokers = text;
          return !text.empty();
        }}},
      {"key",
       {"entity_id, terminal_id, event_id or none",
        [options](std::string_view text) { return generate::ParseKeyField(text, &options->key); }}},
      {"batch",
       {"1 to 10000",
        [options](std::string_view text) {
          return ParseNumber(text, &options->batch) && options->batch >= 1 &&
                 options->batch <= 10'000;
        }}},
  };
}

absl::Status UnknownFlag(std::string_view name, const std::map<std::string_view, Flag>& flags) {
  std::vector<std::string_view> known = {"live", "help"};
  for (const auto& [flag, value] : flags) known.push_back(flag);
  return absl::InvalidArgumentError(StrCat("no flag --", name, base::DidYouMean(name, known)));
}

// What the flags say together; `given` holds those that were there.
absl::Status CheckTogether(const GenerateOptions& options,
                           const std::map<std::string_view, std::string_view>& given) {
  const bool http = options.to.kind == Destination::Kind::kHttp;
  const bool kafka = options.to.kind == Destination::Kind::kKafka ||
                     options.labels.kind == Destination::Kind::kKafka;
  if (kafka && options.brokers.empty()) {
    return absl::InvalidArgumentError("a topic needs --kafka BROKERS, or LEVADA_KAFKA to be set");
  }
  for (std::string_view flag : {"kafka", "key"}) {
    if (!kafka && given.contains(flag)) {
      return absl::InvalidArgumentError(
          StrCat("--", flag, " is only of use with --to kafka:TOPIC or --labels topic:NAME"));
    }
  }
  if (!http && given.contains("batch")) {
    return absl::InvalidArgumentError("--batch is only of use with --to http://…");
  }
  if (options.live) {
    if (options.rate == 0) return absl::InvalidArgumentError("--live needs --rate");
    for (std::string_view flag : {"start", "days"}) {
      if (given.contains(flag)) {
        return absl::InvalidArgumentError(
            StrCat("--", flag, " says nothing with --live, whose event times are now"));
      }
    }
  }
  return generate::Validate(options.simulator);
}

}  // namespace

absl::StatusOr<std::optional<GenerateOptions>> ParseGenerateFraud(
    std::span<const std::string_view> args) {
  GenerateOptions options;
  if (const char* brokers = std::getenv("LEVADA_KAFKA")) options.brokers = brokers;
  const std::map<std::string_view, Flag> flags = Flags(&options);
  std::map<std::string_view, std::string_view> given;
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i] == "--help" || args[i] == "-h") return std::nullopt;
    if (!args[i].starts_with("--")) {
      return absl::InvalidArgumentError(StrCat("\"", args[i], "\" is not a flag"));
    }
    std::string_view name = args[i].substr(2);
    if (name == "live") {
      options.live = true;
      continue;
    }
    std::optional<std::string_view> value;
    if (const size_t equals = name.find('='); equals != name.npos) {
      value = name.substr(equals + 1);
      name = name.substr(0, equals);
    }
    const auto flag = flags.find(name);
    if (flag == flags.end()) return UnknownFlag(name, flags);
    if (!value && i + 1 < args.size()) value = args[++i];
    if (!value) {
      return absl::InvalidArgumentError(
          StrCat("--", name, " needs a value: ", flag->second.expected));
    }
    if (!flag->second.parse(*value)) return Wrong(name, *value, flag->second.expected);
    given[name] = *value;
  }
  if (auto status = CheckTogether(options, given); !status.ok()) return status;
  return options;
}

}  // namespace levada::cli
