#include "operator/webhook/certificates.h"

#include <gmock/gmock.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace levada::webhook {
namespace {

constexpr int64_t kNow = 1'800'000'000;
constexpr int64_t kDay = 86'400;
const std::vector<std::string> kHosts = {"levada.levada-system.svc", "127.0.0.1"};

using Store = std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)>;

X509* Next(BIO* bio) { return PEM_read_bio_X509(bio, nullptr, nullptr, nullptr); }

// As a client of that host would who trusts the authorities: OpenSSL's own judgement.
bool Verifies(const std::string& certificate, const std::string& authorities,
              const std::string& host, int64_t now_s) {
  const Store store(X509_STORE_new(), X509_STORE_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> trusted(
      BIO_new_mem_buf(authorities.data(), static_cast<int>(authorities.size())), BIO_free);
  while (X509* authority = Next(trusted.get())) {
    X509_STORE_add_cert(store.get(), authority);
    X509_free(authority);
  }
  const std::unique_ptr<BIO, decltype(&BIO_free)> text(
      BIO_new_mem_buf(certificate.data(), static_cast<int>(certificate.size())), BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> leaf(Next(text.get()), X509_free);
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> context(
      X509_STORE_CTX_new(), X509_STORE_CTX_free);
  X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), nullptr);
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(param, now_s);
  X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
  if (X509_VERIFY_PARAM_set1_ip_asc(param, host.c_str()) != 1) {
    X509_VERIFY_PARAM_set1_host(param, host.c_str(), host.size());
  }
  return X509_verify_cert(context.get()) == 1;
}

Certificates At(int64_t now_s, const Certificates& stored = {},
                const std::vector<std::string>& hosts = kHosts) {
  const auto renewed = Renew(stored, hosts, now_s, {});
  EXPECT_TRUE(renewed.ok()) << renewed.status();
  return *renewed;
}

size_t CountIn(const std::string& pem) {
  size_t count = 0;
  for (size_t at = pem.find("BEGIN CERT"); at != pem.npos; at = pem.find("BEGIN CERT", at + 1)) {
    ++count;
  }
  return count;
}

TEST(CertificatesTest, AreMadeOfNothing) {
  const Certificates made = At(kNow);
  for (const std::string& host : kHosts) {
    EXPECT_TRUE(Verifies(made.certificate, made.authorities, host, kNow)) << host;
  }
  EXPECT_FALSE(Verifies(made.certificate, made.authorities, "another.svc", kNow));
  EXPECT_TRUE(Verifies(made.certificate, made.authorities, kHosts[0], kNow - 1800))
      << "for a clock that is behind";
  EXPECT_EQ(EndOf(made.certificate).value(), kNow + 90 * kDay);
  EXPECT_EQ(EndOf(made.authorities).value(), kNow + 365 * kDay);
}

TEST(CertificatesTest, StayWhileTheyHold) {
  const Certificates made = At(kNow);
  EXPECT_EQ(At(kNow + 1, made), made);
  EXPECT_EQ(At(kNow + 59 * kDay, made), made);
}

TEST(CertificatesTest, AServersIsRenewedWhenAThirdIsLeftAndItsAuthorityStays) {
  const Certificates made = At(kNow);
  const int64_t later = kNow + 61 * kDay;
  const Certificates renewed = At(later, made);
  EXPECT_EQ(renewed.authorities, made.authorities);
  EXPECT_NE(renewed.certificate, made.certificate);
  EXPECT_NE(renewed.key, made.key);
  EXPECT_TRUE(Verifies(renewed.certificate, made.authorities, kHosts[0], later));
}

TEST(CertificatesTest, AnAuthorityIsTrustedBeforeItSigns) {
  Certificates made = At(kNow);
  const int64_t due = kNow + 245 * kDay;  // of the authority
  made = At(due - 30 * kDay, made);
  const Certificates both = At(due, made);
  EXPECT_EQ(CountIn(both.authorities), 2u);
  EXPECT_EQ(both.certificate, made.certificate);
  const Certificates later = At(due + 31 * kDay, both);
  EXPECT_EQ(later.authorities, both.authorities);
  EXPECT_NE(later.certificate, both.certificate);
  EXPECT_FALSE(Verifies(later.certificate, made.authorities, kHosts[0], due + 31 * kDay));
  EXPECT_TRUE(Verifies(later.certificate, both.authorities, kHosts[0], due + 31 * kDay));
}

struct Looks {
  Lifetimes lifetimes;
  int64_t every_s = 0;
  int64_t late = 0;  // a client hears of authorities so many looks later
  int64_t count = 0;
};

// A client that hears of authorities as late as may be can always check what it is shown, from one
// look to the next.
void ExpectAlwaysChecked(const Looks& looks) {
  Certificates now;
  std::vector<std::string> known;  // authorities, by the look
  int64_t certificates = 0;
  int64_t authorities = 0;
  for (int64_t look = 0; look < looks.count; ++look) {
    const int64_t now_s = kNow + look * looks.every_s;
    const auto renewed = Renew(now, kHosts, now_s, looks.lifetimes);
    ASSERT_TRUE(renewed.ok());
    known.push_back(renewed->authorities);
    certificates += renewed->certificate != now.certificate;
    authorities += renewed->authority_key != now.authority_key;
    now = *renewed;
    const std::string& heard = known[std::max<int64_t>(0, look - looks.late)];
    ASSERT_TRUE(Verifies(now.certificate, heard, kHosts[0], now_s)) << look;
    ASSERT_TRUE(Verifies(now.certificate, heard, kHosts[0], now_s + looks.every_s)) << look;
    ASSERT_LE(CountIn(now.authorities), 2u) << "those that have ended go";
  }
  const int64_t took_s = looks.count * looks.every_s;
  EXPECT_GT(certificates, took_s / looks.lifetimes.server.count());
  EXPECT_NEAR(authorities, 1.5 * took_s / looks.lifetimes.authority.count(), 3);
}

TEST(CertificatesTest, NobodyIsEverShownOneThatHeCannotCheck) {
  using std::chrono::hours;
  ExpectAlwaysChecked(
      {.lifetimes = {.authority = hours(30 * 24), .server = hours(7 * 24), .settle = hours(2 * 24)},
       .every_s = kDay / 4,
       .late = 8,
       .count = 4 * 365});
}

// The certificate was due while no authority might sign, and ended before the next look.
TEST(CertificatesTest, OneDoesNotEndWhileItsNextAuthoritySettles) {
  using std::chrono::hours;
  ExpectAlwaysChecked(
      {.lifetimes = {.authority = hours(18), .server = hours(6), .settle = hours(3)},
       .every_s = 1200,
       .late = 9,
       .count = 500});
}

TEST(CertificatesTest, ForOtherHostsAreMadeAtOnce) {
  const Certificates made = At(kNow);
  const Certificates renewed = At(kNow + 60, made, {"new.levada-system.svc"});
  EXPECT_EQ(renewed.authorities, made.authorities);
  EXPECT_TRUE(Verifies(renewed.certificate, made.authorities, "new.levada-system.svc", kNow + 60));
}

TEST(CertificatesTest, WhatCannotBeUsedIsMadeAnew) {
  const Certificates made = At(kNow);
  const Certificates other = At(kNow);
  const auto with = [&](auto change) {
    Certificates broken = made;
    change(&broken);
    return At(kNow + 60, broken);
  };
  const std::vector<Certificates> mended = {
      with([](Certificates* c) { c->authorities = "no PEM"; }),
      with([](Certificates* c) { c->authority_key.clear(); }),
      with([&](Certificates* c) { c->authority_key = other.authority_key; }),
      with([](Certificates* c) { c->certificate.resize(100); }),
      with([&](Certificates* c) { c->key = other.key; }),
      with([&](Certificates* c) { c->certificate = other.certificate, c->key = other.key; }),
      At(kNow + 1000 * kDay, made),  // nobody has looked for years
  };
  for (size_t i = 0; i < mended.size(); ++i) {
    const int64_t now_s = i + 1 == mended.size() ? kNow + 1000 * kDay : kNow + 60;
    EXPECT_TRUE(Verifies(mended[i].certificate, mended[i].authorities, kHosts[0], now_s)) << i;
    EXPECT_EQ(At(now_s, mended[i]), mended[i]) << i;
  }
}

TEST(CertificatesTest, WhatIsNoneHasNoEnd) { EXPECT_FALSE(EndOf("none").ok()); }

}  // namespace
}  // namespace levada::webhook
