#include "core/json/splice.h"

#include <algorithm>

#include "absl/container/inlined_vector.h"
#include "core/json/bytes.h"

namespace levada::json {
namespace {

// Bytes of the document to leave out. A replaced value has something in its place; a dropped
// field begins at its key and takes a comma with it.
struct Cut {
  size_t begin;
  size_t end;
  std::string_view instead;
  bool drop;
};

using Cuts = absl::InlinedVector<Cut, 32>;

// Where a value begins and ends with its quotes, if it has any.
size_t ValueBegin(std::string_view document, const Value& value) {
  const size_t begin = static_cast<size_t>(value.raw.data() - document.data());
  return value.kind == Kind::kString ? begin - 1 : begin;
}

size_t ValueEnd(std::string_view document, const Value& value) {
  const size_t end = static_cast<size_t>(value.raw.data() - document.data()) + value.raw.size();
  return value.kind == Kind::kString ? end + 1 : end;
}

size_t SkipSpace(std::string_view document, size_t at) {
  while (internal::IsSpace(document[at])) ++at;
  return at;
}

// The comma or brace before the key at `at`.
size_t BeforeKey(std::string_view document, size_t at) {
  do {
    --at;
  } while (internal::IsSpace(document[at]));
  return at;
}

void CollectCuts(std::string_view document, std::span<const Value> slots,
                 std::span<const FieldEdit> set, std::span<const int> drop, Cuts* cuts) {
  for (const FieldEdit& edit : set) {
    if (edit.slot < 0 || slots[edit.slot].kind == Kind::kAbsent) continue;
    const Value& value = slots[edit.slot];
    cuts->push_back(
        {ValueBegin(document, value), ValueEnd(document, value), edit.value, /*drop=*/false});
  }
  for (const int slot : drop) {
    const Value& value = slots[slot];
    if (value.kind == Kind::kAbsent) continue;
    cuts->push_back({value.key_begin, ValueEnd(document, value), {}, /*drop=*/true});
  }
  std::sort(cuts->begin(), cuts->end(),
            [](const Cut& a, const Cut& b) { return a.begin < b.begin; });
}

// Widens the dropped field at `cuts[*index]` over the dropped ones that follow it directly and
// over one comma, so that exactly the commas between the remaining fields stay. `*index` moves to
// the last field of the run.
Cut WidenDrop(std::string_view document, const Cuts& cuts, size_t* index) {
  Cut run = cuts[*index];
  for (;;) {
    const size_t behind = SkipSpace(document, run.end);
    if (document[behind] != ',') break;
    const size_t next_key = SkipSpace(document, behind + 1);
    const size_t next = *index + 1;
    if (next >= cuts.size() || !cuts[next].drop || cuts[next].begin != next_key) {
      run.end = next_key;
      return run;
    }
    *index = next;
    run.end = cuts[next].end;
  }
  // The object's last field is among them: the comma to go is the one before.
  const size_t before = BeforeKey(document, run.begin);
  if (document[before] == ',') run.begin = before;
  return run;
}

void Append(std::string_view document, size_t begin, size_t end, std::string* out) {
  out->append(document.data() + begin, end - begin);
}

void AppendField(const FieldEdit& edit, bool* any, std::string* out) {
  if (*any) out->push_back(',');
  *any = true;
  out->append(edit.name);
  out->append(edit.value);
}

}  // namespace

void Splice(std::string_view document, const ScanInfo& info, std::span<const Value> slots,
            std::span<const FieldEdit> set, std::span<const int> drop, std::string* out) {
  Cuts cuts;
  CollectCuts(document, slots, set, drop, &cuts);
  size_t copied = 0;  // the document up to here is done
  bool any = !info.empty;
  for (size_t i = 0; i < cuts.size(); ++i) {
    Cut cut = cuts[i];
    if (cut.drop) {
      const bool from_first = document[BeforeKey(document, cut.begin)] == '{';
      cut = WidenDrop(document, cuts, &i);
      if (from_first && SkipSpace(document, cut.end) == info.close) any = false;
    }
    Append(document, copied, cut.begin, out);
    out->append(cut.instead);
    copied = cut.end;
  }
  Append(document, copied, info.close, out);
  for (const FieldEdit& edit : set) {
    if (edit.slot >= 0 && slots[edit.slot].kind != Kind::kAbsent) continue;
    AppendField(edit, &any, out);
  }
  Append(document, info.close, document.size(), out);
}

void Select(std::string_view document, std::span<const Value> slots, std::span<const int> keep,
            std::span<const FieldEdit> set, std::string* out) {
  bool any = false;
  out->push_back('{');
  for (const int slot : keep) {
    const auto edit =
        std::find_if(set.begin(), set.end(), [&](const FieldEdit& e) { return e.slot == slot; });
    if (edit != set.end()) {
      AppendField(*edit, &any, out);
      continue;
    }
    if (slots[slot].kind == Kind::kAbsent) continue;
    if (any) out->push_back(',');
    any = true;
    Append(document, slots[slot].key_begin, ValueEnd(document, slots[slot]), out);
  }
  for (const FieldEdit& edit : set) {
    if (std::find(keep.begin(), keep.end(), edit.slot) == keep.end()) AppendField(edit, &any, out);
  }
  out->push_back('}');
}

}  // namespace levada::json
