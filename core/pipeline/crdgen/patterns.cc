#include "core/pipeline/crdgen/crd.h"

namespace levada::pipeline {
namespace {

// Parts of the expressions, in the syntax of RE2 and Go. Control characters, for use in brackets.
#define LEVADA_CONTROL R"(\x00-\x1f\x7f)"
#define LEVADA_HOST R"([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)"
#define LEVADA_BROKER R"((\[[0-9a-fA-F:.]+\]|)" LEVADA_HOST R"():[0-9]{1,5})"
#define LEVADA_LABEL R"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)"
#define LEVADA_OBJECT R"([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*)"
// A part of a path that is neither `.` nor `..`.
#define LEVADA_PART R"((\.{0,2}[^./\\)" LEVADA_CONTROL R"(]|\.{3})[^/\\)" LEVADA_CONTROL R"(]*)"
#define LEVADA_AMOUNT R"([0-9]+(\.[0-9]+)?)"

}  // namespace

std::string_view PatternOf(v1::Format format) {
  switch (format) {
    case v1::DURATION:
      return "^(0|(" LEVADA_AMOUNT "d)?(" LEVADA_AMOUNT "h)?(" LEVADA_AMOUNT "m)?(" LEVADA_AMOUNT
             "s)?(" LEVADA_AMOUNT "ms)?)$";
    case v1::BYTES:
      return "^" LEVADA_AMOUNT " *([KMGTP]i|[kKMGTP])?B?$";
    case v1::NAME:
    case v1::CONNECTION:
      return "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
    case v1::TOPIC_NAME:
    case v1::TOPIC:
      return R"(^(\.{0,2}[a-zA-Z0-9_-]|\.{3})[a-zA-Z0-9._-]*$)";
    case v1::FIELD:
      return "^[^." LEVADA_CONTROL "]+$";
    case v1::URL:
      return R"(^https?://[^\s/?#@]+([/?#]\S*)?$)";
    case v1::FILE:
      return "^[^" LEVADA_CONTROL "]+$";
    case v1::PATH:
      return R"(^/[^\s?#)" LEVADA_CONTROL "]*$";
    case v1::FOLDER:
      return "^" LEVADA_PART "(/" LEVADA_PART ")*$";
    case v1::INDEX_NAME:
      return R"(^[^-_+\\/*?"<>|,#:\sA-Z)" LEVADA_CONTROL R"(][^\\/*?"<>|,#:\sA-Z)" LEVADA_CONTROL
             "]*$";
    case v1::EMAIL:
      return R"(^[^\s@<>,;:"()\[\]\\)" LEVADA_CONTROL "]{1,64}@" LEVADA_HOST "$";
    case v1::HOST:
      return "^(" LEVADA_HOST "|[0-9A-Fa-f.:]*:[0-9A-Fa-f.]*:[0-9A-Fa-f.:]*)$";
    case v1::BROKERS:
      return R"(^\s*)" LEVADA_BROKER R"(\s*(,\s*)" LEVADA_BROKER R"(\s*)*$)";
    case v1::QUANTITY:
      return "^" LEVADA_AMOUNT "(n|u|m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$";
    case v1::OBJECT_NAME:
      return "^" LEVADA_OBJECT "$";
    case v1::LABEL_KEY:
      return "^(" LEVADA_OBJECT "/)?" LEVADA_LABEL "$";
    case v1::LABEL_VALUE:
      return "^(" LEVADA_LABEL ")?$";
    case v1::ENV_NAME:
      return "^[A-Za-z_][A-Za-z0-9_]*$";
    case v1::IMAGE:
      return "^[A-Za-z0-9][A-Za-z0-9._/:@+-]*$";
    case v1::SETTING:
      return "^[a-z][a-z0-9._-]*$";
    case v1::SHA256:
      return "^[0-9a-fA-F]{64}$";
    default:
      return "";
  }
}

}  // namespace levada::pipeline
