#include "core/files/fetch.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/base/strings.h"
#include "core/files/sha256.h"
#include "core/http/raw_server.h"
#include "core/pipeline/plan.h"

namespace levada::files {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

std::string Sha256Of(std::string_view text) {
  Sha256 sha256;
  sha256.Add(text);
  return sha256.Hex();
}

std::string TextBehind(const std::string& request, std::string_view name) {
  const size_t begin = request.find(name);
  if (begin == request.npos) return "";
  return request.substr(begin + name.size(), request.find("\r\n", begin) - begin - name.size());
}

// One object that is served in ranges, and what goes wrong with it.
struct Object {
  std::string content = "a model";
  std::string etag = "\"1\"";
  std::vector<std::string> requests;                                         // "bytes=0-99"
  std::function<std::string(int request)> failure = [](int) { return ""; };  // an answer instead

  std::string Answer(const std::string& request) {
    requests.push_back(TextBehind(request, "range:"));
    std::string wrong = failure(static_cast<int>(requests.size()));
    if (wrong == "close") return "";
    if (!wrong.empty()) return wrong;
    const std::string match = TextBehind(request, "if-match:");
    if (!match.empty() && match != etag) return "HTTP/1.1 412 No\r\nContent-Length: 0\r\n\r\n";
    if (TextBehind(request, "if-none-match:") == etag) return "HTTP/1.1 304 Same\r\n\r\n";
    size_t first = 0;
    size_t last = 0;
    sscanf(requests.back().c_str(), "bytes=%zu-%zu", &first, &last);
    const std::string part = content.substr(first, last - first + 1);
    return base::StrCat("HTTP/1.1 206 Part\r\nETag: ", etag, "\r\nContent-Range: bytes ", first,
                        "-", first + part.size() - 1, "/", content.size(),
                        "\r\nContent-Length: ", part.size(), "\r\n\r\n", part);
  }
};

std::string Status(std::string_view status) {
  return base::StrCat("HTTP/1.1 ", status, "\r\nContent-Length: 0\r\n\r\n");
}

class FetchTest : public testing::Test {
 protected:
  FetchTest()
      : server_([this](const std::string& request) { return object_.Answer(request); }),
        folder_(testing::TempDir() +
                testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(folder_);
    (*pipeline_.mutable_spec()->mutable_connections())["lake"].mutable_s3()->set_endpoint(
        server_.Url());
    v1::MountedFile* file = pipeline_.mutable_spec()->add_files();
    file->set_path("models/fraud.json");
    source_ = file->mutable_s3();
    source_->set_via("lake");
    source_->set_bucket("models");
    source_->set_key("fraud.json");
  }

  absl::Status Fetch(milliseconds give_up_after = milliseconds(5000)) {
    told_.clear();
    return FetchFiles(pipeline_, secrets_,
                      {.folder = folder_,
                       .give_up_after = give_up_after,
                       .first_pause = milliseconds(1),
                       .longest_pause = milliseconds(10),
                       .tell = [this](const std::string& text) { told_.push_back(text); }});
  }

  std::string Fetched() const {
    std::stringstream text;
    text << std::ifstream(folder_ + "/" + pipeline::FetchedName(pipeline_, *source_)).rdbuf();
    return text.str();
  }

  Object object_;
  http::RawServer server_;
  const std::string folder_;
  v1::Pipeline pipeline_;
  v1::BucketFile* source_ = nullptr;
  base::Secrets secrets_;
  std::vector<std::string> told_;
};

TEST_F(FetchTest, AFileIsFetchedAndKeptWhileTheObjectIsTheSame) {
  ASSERT_TRUE(Fetch().ok()) << Fetch();
  EXPECT_EQ(Fetched(), "a model");
  EXPECT_THAT(told_, ElementsAre("models/fraud.json from s3://models/fraud.json (lake): 7 B"));
  ASSERT_TRUE(Fetch().ok());
  EXPECT_THAT(told_, ElementsAre(testing::EndsWith("7 B, as it was")));
  object_.content = "another";
  object_.etag = "\"2\"";
  ASSERT_TRUE(Fetch().ok());
  EXPECT_EQ(Fetched(), "another");
}

TEST_F(FetchTest, WithAnSha256ThatIsThereNobodyIsAsked) {
  source_->set_sha256(Sha256Of("a model"));
  ASSERT_TRUE(Fetch().ok());
  EXPECT_EQ(object_.requests.size(), 1u);
  ASSERT_TRUE(Fetch().ok());
  EXPECT_EQ(object_.requests.size(), 1u);
  std::ofstream(folder_ + "/" + pipeline::FetchedName(pipeline_, *source_)) << "damaged";
  ASSERT_TRUE(Fetch().ok());
  EXPECT_EQ(Fetched(), "a model");
}

TEST_F(FetchTest, AnotherContentIsRefused) {
  source_->set_sha256(Sha256Of("another model"));
  const absl::Status status = Fetch();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(Sha256Of("a model")));
  EXPECT_THAT(std::string(status.message()), HasSubstr(Sha256Of("another model")));
  EXPECT_EQ(Fetched(), "");
  EXPECT_EQ(object_.requests.size(), 1u) << "it is not tried again";
}

TEST_F(FetchTest, ALargeOneComesInPartsAndGoesOnWhereItBroke) {
  object_.content = std::string(20 << 20, 'x') + "end";
  object_.failure = [](int request) {
    return request == 2 ? "close" : request == 3 ? Status("503 Slow Down") : "";
  };
  source_->set_sha256(Sha256Of(object_.content));
  const absl::Status status = Fetch();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Fetched(), object_.content);
  EXPECT_THAT(object_.requests,
              ElementsAre("bytes=0-8388607", "bytes=8388608-16777215", "bytes=8388608-16777215",
                          "bytes=8388608-16777215", "bytes=16777216-20971522"));
}

TEST_F(FetchTest, OneThatChangesMeanwhileIsReadAnew) {
  object_.content = std::string(9 << 20, 'x');
  object_.failure = [&](int request) {
    if (request == 2) {
      object_.content = std::string(10 << 20, 'y');
      object_.etag = "\"2\"";
    }
    return "";
  };
  const absl::Status status = Fetch();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Fetched(), std::string(10 << 20, 'y'));
}

TEST_F(FetchTest, OneThatIsTooLargeIsNotFetched) {
  source_->set_max_size("6");
  const absl::Status status = Fetch();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("has 7 B, more than its `maxSize`, 6 B"));
  source_->set_max_size("7");
  EXPECT_TRUE(Fetch().ok());
}

TEST_F(FetchTest, AnEmptyOneIsAFileToo) {
  object_.failure = [](int) { return Status("416 No"); };
  ASSERT_TRUE(Fetch().ok());
  EXPECT_TRUE(fs::exists(folder_ + "/" + pipeline::FetchedName(pipeline_, *source_)));
}

TEST_F(FetchTest, WhatWaitingCannotMendIsToldAtOnce) {
  for (const char* answer : {"404 Not Found", "403 Forbidden", "400 Bad Request", "301 Moved"}) {
    object_.requests.clear();
    object_.failure = [&](int) { return Status(answer); };
    const absl::Status status = Fetch();
    EXPECT_THAT(std::string(status.message()),
                testing::StartsWith(
                    base::StrCat("models/fraud.json from s3://models/fraud.json (lake): answered ",
                                 std::string(answer, 3))));
    EXPECT_EQ(object_.requests.size(), 1u) << answer;
  }
}

TEST_F(FetchTest, AServerThatIsAwayIsGivenUp) {
  object_.failure = [](int) { return Status("500 Broken"); };
  const absl::Status status = Fetch(milliseconds(100));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_GT(object_.requests.size(), 3u);
}

TEST_F(FetchTest, AMissingKeyIsToldWithItsPlaces) {
  (*pipeline_.mutable_spec()->mutable_connections())["lake"].mutable_s3()->set_secret_ref("login");
  const absl::Status status = Fetch();
  EXPECT_THAT(std::string(status.message()), HasSubstr("LEVADA_SECRET_LOGIN_ACCESSKEYID"));
  EXPECT_TRUE(object_.requests.empty());
}

TEST_F(FetchTest, ThePipelineNamesWhatWasFetched) {
  v1::Step* step = pipeline_.mutable_spec()->add_stages()->mutable_scoring()->add_steps();
  step->mutable_model()->set_xgboost("models/fraud.json");
  auto* search = (*pipeline_.mutable_spec()->mutable_connections())["search"].mutable_opensearch();
  search->mutable_tls()->set_ca_file("ca.pem");
  UseFetched("cache", &pipeline_);
  EXPECT_EQ(step->model().xgboost(),
            fs::absolute("cache").string() + "/" + pipeline::FetchedName(pipeline_, *source_));
  EXPECT_EQ(pipeline_.spec().connections().at("search").opensearch().tls().ca_file(), "ca.pem");
}

}  // namespace
}  // namespace levada::files
