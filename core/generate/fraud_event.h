#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/generate/fraud.h"

// A simulated transaction as JSON, in one line without the line's end:
//
//   {"event_id":"0d2c...","event_time":"2018-04-01T08:31:07.250Z","entity_id":"C000042",
//    "terminal_id":"T003017","card_bin":"441363","transaction_amt":57.16,
//    "transaction_currency":"eur","product_category":"grocery_pos","billing_country":"DE",
//    "ip_address":"198.18.4.9","distance_km":3.41}
//
// event_id is a version 8 UUID (RFC 9562), event_time RFC 3339 with milliseconds.
// Thread-safety: no state.
namespace levada::generate {

// The label adds ,"is_fraud":true,"fraud_scenario":2 (false and 0 where genuine).
void AppendEvent(const Transaction& transaction, std::string* out);
void AppendLabelledEvent(const Transaction& transaction, std::string* out);

// The label by itself: {"event_id":...,"event_time":...,"is_fraud":true,"fraud_scenario":2}
void AppendLabel(const Transaction& transaction, std::string* out);

// The fields that can be a record's key.
enum class KeyField : uint8_t { kNone, kEventId, kEntityId, kTerminalId };

// By the field's name, "none" for kNone; false where there is none of that name.
bool ParseKeyField(std::string_view name, KeyField* field);
// Appends the field's text, without quotes; nothing for kNone.
void AppendKey(const Transaction& transaction, KeyField field, std::string* out);

}  // namespace levada::generate
