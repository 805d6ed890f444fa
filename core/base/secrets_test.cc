#include "core/base/secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/base/log.h"

namespace levada::base {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class SecretsTest : public testing::Test {
 protected:
  SecretsTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "secrets-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~SecretsTest() override { std::filesystem::remove_all(folder_); }

  void Write(std::string_view name, std::string_view key, std::string_view value) {
    const std::filesystem::path folder = std::filesystem::path(folder_) / name;
    std::filesystem::create_directories(folder);
    std::ofstream(folder / key, std::ios::binary) << value;
  }

  std::string folder_;
};

TEST_F(SecretsTest, ReadsFiles) {
  Write("mail-login", "password", "correct horse\n");
  Write("mail-login", "raw", " two\n\n");
  const Secrets secrets(folder_);
  EXPECT_EQ(*secrets.Get("mail-login", "password"), "correct horse");
  EXPECT_EQ(*secrets.Get("mail-login", "raw"), " two\n");
  Write("mail-login", "password", "rotated");
  EXPECT_EQ(*secrets.Get("mail-login", "password"), "rotated");
}

TEST_F(SecretsTest, ReadsTheEnvironmentWhereThereIsNoFile) {
  EXPECT_EQ(Secrets::VariableName("mail-login", "tls.key"), "LEVADA_SECRET_MAIL_LOGIN_TLS_KEY");
  setenv("LEVADA_SECRET_MAIL_LOGIN_USER", "from the environment", 1);
  EXPECT_EQ(*Secrets(folder_).Get("mail-login", "user"), "from the environment");
  EXPECT_EQ(*Secrets().Get("mail-login", "user"), "from the environment");
  Write("mail-login", "user", "from the file");
  EXPECT_EQ(*Secrets(folder_).Get("mail-login", "user"), "from the file");
  unsetenv("LEVADA_SECRET_MAIL_LOGIN_USER");
}

TEST_F(SecretsTest, NamesBothPlacesWhenThereIsNone) {
  const auto missing = Secrets(folder_).Get("mail-login", "password");
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()),
              AllOf(HasSubstr(folder_ + "/mail-login/password"),
                    HasSubstr("LEVADA_SECRET_MAIL_LOGIN_PASSWORD")));
}

TEST_F(SecretsTest, NeverLeavesItsFolder) {
  for (std::string_view name : {"", "..", "../x", "a/b", ".hidden", "a b"}) {
    EXPECT_EQ(Secrets(folder_).Get(name, "key").status().code(), absl::StatusCode::kInvalidArgument)
        << name;
    EXPECT_EQ(Secrets(folder_).Get("name", name).status().code(),
              absl::StatusCode::kInvalidArgument)
        << name;
  }
}

TEST_F(SecretsTest, KeepsValuesOutOfTheLogs) {
  Write("search", "password", "opensesame");
  ASSERT_TRUE(Secrets(folder_).Get("search", "password").ok());
  testing::internal::CaptureStderr();
  LogError("401 for admin:opensesame@search");
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("admin:***@search"), Not(HasSubstr("opensesame"))));
}

}  // namespace
}  // namespace levada::base
