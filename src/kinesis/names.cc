#include "kinesis/names.h"

#include <algorithm>
#include <cctype>

namespace penstock::kinesis {
namespace {

constexpr std::string_view kDigits = "0123456789";

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// us-east-1a: a region, and a letter behind its number.
bool is_availability_zone(std::string_view text) {
  return text.size() > 4 && std::count(text.begin(), text.end(), '-') >= 2 &&
         is_lower(text.back()) && is_digit(text[text.size() - 2]) && text[text.size() - 3] == '-';
}

bool is_account_id(std::string_view text) {
  return text.size() == 12 && text.find_first_not_of(kDigits) == std::string_view::npos;
}

bool has_only(std::string_view text, std::string_view extra) {
  return std::all_of(text.begin(), text.end(), [extra](char c) {
    return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z') || extra.find(c) != extra.npos;
  });
}

}  // namespace

std::string region_complaint(std::string_view region) {
  if (region.find_first_of("\"'") != std::string_view::npos) return "remove the quotes";
  if (is_availability_zone(region)) {
    return "it is an availability zone: write " + std::string(region.substr(0, region.size() - 1));
  }
  std::string lower(region);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower != region) return "regions are in lower case: write " + lower;
  const bool is_label = !region.empty() && region.size() <= 63 && region.front() != '-' &&
                        region.back() != '-' && has_only(region, "-");
  return is_label ? "" : "write a region such as us-east-1";
}

std::string stream_name_complaint(std::string_view name, StreamService service) {
  const size_t name_max = service == StreamService::firehose ? 64 : 128;
  if (name.empty()) return "give it a name";
  if (!has_only(name, "_.-")) return "use letters, digits, '_', '-' and '.'";
  if (name.size() > name_max) {
    return "it has " + std::to_string(name.size()) + " characters: AWS takes at most " +
           std::to_string(name_max);
  }
  return "";
}

Result<StreamArn, std::string> parse_stream_arn(std::string_view text) {
  static constexpr std::string_view kExample =
      "write arn:aws:kinesis:us-east-1:123456789012:stream/name";
  const auto arn = parse_arn(text);
  const auto wrong = [](std::string_view why) {
    return failure(std::string(why) + (why.empty() ? "" : ": ") + std::string(kExample));
  };
  if (!arn || !arn->partition.starts_with("aws")) return wrong("");
  StreamArn found;
  const size_t slash = arn->resource.find('/');
  const std::string_view kind = std::string_view(arn->resource).substr(0, slash);
  if (arn->service == "firehose" && kind == "deliverystream") {
    found.service = StreamService::firehose;
  } else if (arn->service != "kinesis" || kind != "stream") {
    return wrong("");
  }
  if (const std::string complaint = region_complaint(arn->region); !complaint.empty()) {
    return failure("its region: " + complaint);
  }
  if (!is_account_id(arn->account_id)) return wrong("its account is no number of 12 digits");
  if (slash == std::string::npos) return wrong("");
  found.name = arn->name();
  if (const std::string complaint = stream_name_complaint(found.name, found.service);
      !complaint.empty()) {
    return failure("its name: " + complaint);
  }
  found.region = arn->region;
  found.account_id = arn->account_id;
  return found;
}

std::string role_arn_complaint(std::string_view text) {
  const auto arn = parse_arn(text);
  const bool is_role = arn && arn->partition.starts_with("aws") && arn->service == "iam" &&
                       arn->region.empty() && arn->resource.starts_with("role/") &&
                       arn->resource.size() > 5 && has_only(arn->resource, "/_+=,.@-");
  if (is_role && is_account_id(arn->account_id)) return "";
  return "write arn:aws:iam::123456789012:role/name";
}

}  // namespace penstock::kinesis
