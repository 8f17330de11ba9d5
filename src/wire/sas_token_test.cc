#include "wire/sas_token.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/base64.h"
#include "wire/percent.h"

namespace linarite::wire {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
constexpr std::string_view kOtherKey = "b3RoZXIga2V5IG90aGVyIGtleSBvdGhlciBrZXkgISE=";
constexpr std::string_view kSe = "4102444800";
constexpr std::string_view kSig = "Kn8zsVAbb30iTbeh3kfvfHy34UsjDolvE1feCHDNA%2Bk%3D";

std::string token_text(std::string_view sr, std::string_view sig = kSig,
                       std::string_view se = kSe) {
  return fmt::format("SharedAccessSignature sr={}&sig={}&se={}", sr, sig, se);
}

SasToken parsed(std::string_view text) {
  auto token = parse_sas_token(text);
  EXPECT_TRUE(token) << text << ": " << (token ? "" : token.error().message);
  return token.value_or(SasToken{});
}

bool refused(std::string_view text) {
  const auto token = parse_sas_token(text);
  if (token) return false;
  EXPECT_EQ(token.error().code, ErrorCode::kIotHubUnauthorizedAccess);
  EXPECT_EQ(token.error().message.find(kSig), std::string::npos);
  return true;
}

// --- signature
// ------------------------------------------------------------------------------------

struct Vector {
  std::string_view sr;
  std::string_view sig;  // base64, not percent-encoded
};

constexpr Vector kVectors[] = {
    // service-protocol 11.2
    {"hub.example.test", "Kn8zsVAbb30iTbeh3kfvfHy34UsjDolvE1feCHDNA+k="},
    {"hub.example.test%2fdevices%2fdev1", "Ctdt3ObhU0f2IxdDWPUJqRTe1LQvmGoGlVXCUW5vlsw="},
    {"hub.example.test%2Fdevices%2Fdev1", "RgCMAGKcDG9ZgOOcnNknftJcq49KF4mBQuoqG+WN14o="},
    {"sb%3A%2F%2Fhub.example.test%2Fhub%2FConsumerGroups%2F%24Default%2FPartitions%2F0",
     "CTcEro9ROIZdFtdZBBXE6fsOc9+Pxp7T2Ra4PYd0nGU="},
    {"https%3a%2f%2fhub.example.test", "DWwgv0yvoMEG5XqsEfSXYLWdu2cuKPVjJ5Qf7sN13vQ="},
    // device-protocol 5.2
    {"hub.example.test%2Fdevices%2Fdev-1", "kvizE1ZtC9mM7sohS4qNOf2TC+1XB8f6ooEtUIuWEZk="},
    {"hub.example.test%2fdevices%2fdev-1", "+rYcRW2SrJ8EQfS/Ki37Hy3RNg1IEI6JVtukmD0XWrM="},
};

TEST(SasSignature, VerifiesTheVectorsOfTheReference) {
  for (const Vector& v : kVectors) {
    // Escaped, and with '+', '/' and '=' left raw as some SDKs do.
    for (const std::string& sig : {percent_encoded(v.sig), std::string(v.sig)}) {
      const SasToken token = parsed(token_text(v.sr, sig));
      EXPECT_TRUE(sas_signature_matches(token, kKey, kOtherKey)) << v.sr;
      EXPECT_TRUE(sas_signature_matches(token, kOtherKey, kKey)) << v.sr;
      EXPECT_TRUE(sas_signature_matches(token, kKey, ""));
      EXPECT_FALSE(sas_signature_matches(token, kOtherKey, kOtherKey)) << v.sr;
    }
  }
}

TEST(SasSignature, CoversTheTextAsTransmitted) {
  const std::string_view upper = kVectors[2].sig;
  EXPECT_FALSE(sas_signature_matches(parsed(token_text("hub.example.test%2fdevices%2fdev1", upper)),
                                     kKey, kKey));
  EXPECT_FALSE(sas_signature_matches(parsed(token_text("hub.example.test", kSig, "4102444801")),
                                     kKey, kKey));
  // 4102444800.0 is the same time but not the same text.
  EXPECT_FALSE(sas_signature_matches(parsed(token_text("hub.example.test", kSig, "4102444800.0")),
                                     kKey, kKey));
  EXPECT_FALSE(sas_signature_matches(parsed(token_text("Hub.example.test")), kKey, kKey));
}

TEST(SasSignature, EveryFlippedBitIsNoticed) {
  SasToken token = parsed(token_text("hub.example.test"));
  for (size_t bit = 0; bit < token.signature.size() * 8; ++bit) {
    SasToken changed = token;
    changed.signature[bit / 8] = static_cast<char>(changed.signature[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(sas_signature_matches(changed, kKey, kKey)) << bit;
  }
}

TEST(SasSignature, AnEmptyOrBrokenKeyNeverMatches) {
  const SasToken token = parsed(token_text("hub.example.test"));
  EXPECT_FALSE(sas_signature_matches(token, "", ""));
  EXPECT_FALSE(sas_signature_matches(token, std::string(kKey) + " ", "not base64"));
  EXPECT_FALSE(sas_signature_matches(token, " " + std::string(kKey), "MDEyMzQ1Njc4OWFiY2RlZg"));
  // A token signed with the key that stands in for an unusable one.
  const std::string zeros = base64_encode(Bytes(32, '\0'));
  const auto forged =
      make_sas_token({"hub.example.test", zeros, "", WallTime{seconds(4102444800)}});
  ASSERT_TRUE(forged);
  EXPECT_FALSE(sas_signature_matches(parsed(*forged), "", ""));
  EXPECT_TRUE(sas_signature_matches(parsed(*forged), "", zeros));
}

// --- grammar
// --------------------------------------------------------------------------------------

TEST(SasTokenParse, TakesFieldsInAnyOrderAndCase) {
  for (const char* text : {"SharedAccessSignature sr=h&sig={0}&se=10&skn=p",
                           "SharedAccessSignature sig={0}&se=10&skn=p&sr=h",
                           "SharedAccessSignature SR=h&Sig={0}&sE=10&SKN=p",
                           "SharedAccessSignature\tsr=h&sig={0}&se=10&skn=p",
                           "SharedAccessSignature &sr=h&&sig={0}&se=10&skn=p&",
                           "SharedAccessSignature x=1&sr=h&sig={0}&x=2&se=10&skn=p"}) {
    const SasToken token = parsed(fmt::format(fmt::runtime(text), kSig));
    EXPECT_EQ(token.sr, "h");
    EXPECT_EQ(token.se, "10");
    EXPECT_EQ(token.policy, "p");
    EXPECT_EQ(token.signature.size(), 32U);
    EXPECT_EQ(token.expiry, WallTime{seconds(10)});
  }
}

TEST(SasTokenParse, KeepsSrAndSeRawAndDecodesSkn) {
  const SasToken token =
      parsed(token_text("h%2fdevices%2Fd+1", kSig, "0010.50") + "&skn=my%20policy+1");
  EXPECT_EQ(token.sr, "h%2fdevices%2Fd+1");
  EXPECT_EQ(token.se, "0010.50");
  EXPECT_EQ(token.expiry, WallTime{milliseconds(10500)});
  EXPECT_EQ(token.policy, "my policy+1");
}

TEST(SasTokenParse, AnEmptySknIsNone) {
  EXPECT_EQ(parsed(token_text("h") + "&skn=").policy, "");
  EXPECT_EQ(parsed(token_text("h")).policy, "");
}

TEST(SasTokenParse, RefusesAnOddPrefix) {
  const std::string fields = fmt::format("sr=h&sig={}&se=10", kSig);
  ASSERT_FALSE(refused("SharedAccessSignature " + fields));
  for (const char* prefix :
       {"", " ", "sharedaccesssignature ", "SHAREDACCESSSIGNATURE ", "SharedAccessSignature",
        "SharedAccessSignature  ", " SharedAccessSignature ", "Bearer SharedAccessSignature ",
        "SharedAccessSignatures ", "SharedAccessKey ", "SharedAccessSignature x "}) {
    EXPECT_TRUE(refused(prefix + fields)) << prefix;
  }
  EXPECT_TRUE(refused("SharedAccessSignature " + fields + " "));
  EXPECT_TRUE(refused("SharedAccessSignature " + fields + "\r\n"));
  EXPECT_TRUE(refused("SharedAccessSignature " + fields + " x"));
  EXPECT_TRUE(refused("SharedAccessSignature "));
  EXPECT_TRUE(refused("SharedAccessSignature"));
  EXPECT_TRUE(refused(""));
}

TEST(SasTokenParse, RefusesMissingEmptyAndDuplicateFields) {
  for (const char* fields :
       {"sig={0}&se=10", "sr=h&se=10", "sr=h&sig={0}", "sr=&sig={0}&se=10", "sr=h&sig=&se=10",
        "sr=h&sig={0}&se=", "sr=h&sr=h&sig={0}&se=10", "sr=h&sig={0}&sig={0}&se=10",
        "sr=h&sig={0}&se=10&SE=10", "sr=h&sig={0}&se=10&skn=a&skn=b", "sr=h&sig={0}&se=10&skn",
        "sr&sig={0}&se=10", "sr=h&sig={0}&se=10&junk", "=h&sig={0}&se=10"}) {
    EXPECT_TRUE(refused("SharedAccessSignature " + fmt::format(fmt::runtime(fields), kSig)))
        << fields;
  }
}

TEST(SasTokenParse, RefusesAnSeThatIsNotDigits) {
  for (const char* se : {"-1",
                         "+10",
                         "0x10",
                         "10s",
                         "1e9",
                         "1,5",
                         "10.",
                         ".5",
                         "1.2.3",
                         "10.-1",
                         "10.5x",
                         "NaN",
                         "inf",
                         "9223372036854775807",
                         "9223372036854775808",
                         "18446744073709551616",
                         "253402300800",
                         "99999999999999999999999999",
                         "%31%30",
                         "1_0"}) {
    EXPECT_TRUE(refused(token_text("h", kSig, se))) << se;
  }
}

TEST(SasTokenParse, AcceptsSeFromZeroToTheYear9999) {
  EXPECT_EQ(parsed(token_text("h", kSig, "0")).expiry, WallTime{});
  EXPECT_EQ(parsed(token_text("h", kSig, "253402300799")).expiry, WallTime{seconds(253402300799)});
  EXPECT_EQ(parsed(token_text("h", kSig, "1.0009999999999")).expiry, WallTime{seconds(1)});
}

TEST(SasTokenParse, RefusesASignatureThatIsNone) {
  const std::string sig = "Kn8zsVAbb30iTbeh3kfvfHy34UsjDolvE1feCHDNA+k=";
  ASSERT_FALSE(refused(token_text("h", sig)));
  for (const std::string& bad :
       {sig + "=", sig + "AAAA", sig.substr(0, 43), sig.substr(0, 40), std::string("AAAA"),
        "-" + sig.substr(1), "_" + sig.substr(1), "%20" + sig, sig + "%0A", "%zz" + sig, sig + "%",
        std::string("Kn8zsVAbb30iTbeh3kfvfHy34UsjDolvE1feCHDNA+l=")}) {
    EXPECT_TRUE(refused(token_text("h", bad))) << bad;
  }
}

TEST(SasTokenParse, RefusesABrokenSknAndATokenThatIsTooLong) {
  EXPECT_TRUE(refused(token_text("h") + "&skn=%z1"));
  const std::string base = token_text("h") + "&x=";
  EXPECT_FALSE(refused(base + std::string(kSasTokenSizeMax - base.size(), 'x')));
  EXPECT_TRUE(refused(base + std::string(kSasTokenSizeMax - base.size() + 1, 'x')));
}

// --- expiry
// ---------------------------------------------------------------------------------------

TEST(SasTokenExpired, GivesFiveMinutesOfSkewAndNotAMillisecondMore) {
  const SasToken token = parsed(token_text("h", kSig, "1000"));
  EXPECT_FALSE(sas_token_expired(token, WallTime{}));
  EXPECT_FALSE(sas_token_expired(token, WallTime{seconds(1000)}));
  EXPECT_FALSE(sas_token_expired(token, WallTime{seconds(1300)}));
  EXPECT_TRUE(sas_token_expired(token, WallTime{seconds(1300) + milliseconds(1)}));
  EXPECT_TRUE(sas_token_expired(parsed(token_text("h", kSig, "0")), WallTime{seconds(1700000000)}));
}

// --- audience
// -------------------------------------------------------------------------------------

constexpr std::string_view kHosts[] = {"hub.example.test", "127.0.0.1", "[::1]"};
constexpr size_t kPolicyKey = 0;
constexpr size_t kDeviceKey = 2;
constexpr size_t kModuleKey = 4;

using Resource = std::vector<std::string_view>;

bool covers(std::string_view sr, const Resource& resource, size_t named_at_least) {
  SasToken token;
  token.sr = sr;
  return audience_covers(token, kHosts, resource, named_at_least);
}

const Resource kDevice{"devices", "dev1"};
const Resource kModule{"devices", "dev1", "modules", "mod1"};

TEST(Audience, TheHubIsNamedWhateverFollows) {
  const auto names = [](std::string_view sr) {
    SasToken token;
    token.sr = sr;
    return audience_names_host(token, kHosts);
  };
  for (const char* sr : {"hub.example.test", "sb://HUB.example.test/eventhub",
                         "sb%3a%2f%2fhub.example.test%2feventhub", "127.0.0.1:5671/any/thing"}) {
    EXPECT_TRUE(names(sr)) << sr;
  }
  EXPECT_TRUE(names("sb%253a%252f%252fhub.example.test%252f")) << "encoded twice";
  for (const char* sr : {"", "/", "hub.example.test.evil", "evil/hub.example.test", "sb:///x"}) {
    EXPECT_FALSE(names(sr)) << sr;
  }
}

TEST(Audience, APolicyMayNameAnyPrefix) {
  for (const char* sr :
       {"hub.example.test", "HUB.Example.Test", "hub.example.test%2fdevices",
        "hub.example.test/devices", "hub.example.test%2Fdevices%2Fdev1",
        "hub.example.test%2FDevices%2FDEV1", "127.0.0.1", "hub.example.test/",
        "hub.example.test%2F", "hub.example.test:8883", "[::1]", "[::1]:5671",
        "https%3a%2f%2fhub.example.test", "AMQPS%3A%2F%2Fhub.example.test%3A5671%2F",
        "sb://hub.example.test/devices/dev1/", "amqp://hub.example.test",
        "http://hub.example.test"}) {
    EXPECT_TRUE(covers(sr, kDevice, kPolicyKey)) << sr;
  }
}

TEST(Audience, PrefixesEndAtASegment) {
  EXPECT_FALSE(covers("hub.example.test/devices/dev", kDevice, kPolicyKey));
  EXPECT_FALSE(covers("hub.example.test/devices/dev10", kDevice, kPolicyKey));
  EXPECT_FALSE(covers("hub.example.test/dev", kDevice, kPolicyKey));
  EXPECT_FALSE(covers("hub.example.tes", kDevice, kPolicyKey));
  EXPECT_FALSE(covers("hub.example.test.evil", kDevice, kPolicyKey));
}

TEST(Audience, RefusesAnotherHostOrResource) {
  for (const char* sr : {"other.example.test",
                         "other.example.test/devices/dev1",
                         "hub.example.test/devices/dev2",
                         "",
                         "/",
                         "/devices/dev1",
                         "devices/dev1",
                         "%2Fdevices%2Fdev1",
                         "hub.example.test/twins/dev1",
                         "hub.example.test//devices/dev1",
                         "hub.example.test/devices//dev1",
                         "hub.example.test/devices/dev1//",
                         "ftp://hub.example.test",
                         "hub.example.test:abc",
                         "hub.example.test:",
                         ":443",
                         "user@hub.example.test",
                         "hub.example.test/devices/../devices/dev1",
                         "hub.example.test?x=/devices/dev1",
                         "hub.example.test%00"}) {
    EXPECT_FALSE(covers(sr, kDevice, kPolicyKey)) << sr;
  }
}

TEST(Audience, ADeviceKeyMustNameItsDevice) {
  EXPECT_TRUE(covers("hub.example.test%2Fdevices%2Fdev1", kDevice, kDeviceKey));
  EXPECT_TRUE(covers("hub.example.test%2Fdevices%2Fdev1", kModule, kDeviceKey));
  EXPECT_FALSE(covers("hub.example.test", kDevice, kDeviceKey));
  EXPECT_FALSE(covers("hub.example.test%2Fdevices", kDevice, kDeviceKey));
  EXPECT_FALSE(covers("hub.example.test%2Fdevices%2F", kDevice, kDeviceKey));
}

TEST(Audience, AModuleTokenIsNotForItsDevice) {
  EXPECT_TRUE(covers("hub.example.test/devices/dev1/modules/mod1", kModule, kModuleKey));
  EXPECT_FALSE(covers("hub.example.test/devices/dev1/modules/mod1", kDevice, kPolicyKey));
  EXPECT_FALSE(covers("hub.example.test/devices/dev1/modules/mod2", kModule, kPolicyKey));
  EXPECT_FALSE(covers("hub.example.test/devices/dev1", kModule, kModuleKey));
  EXPECT_FALSE(covers("hub.example.test/devices/dev1/modules", kModule, kModuleKey));
}

TEST(Audience, ReadsIdsRawEncodedOnceOrTwice) {
  const Resource plus{"devices", "a+b#c%d"};
  EXPECT_TRUE(covers("hub.example.test/devices/a+b#c%d", plus, kDeviceKey));
  EXPECT_TRUE(covers("hub.example.test%2Fdevices%2Fa%2Bb%23c%25d", plus, kDeviceKey));
  EXPECT_TRUE(covers("hub.example.test%2Fdevices%2Fa%252Bb%2523c%2525d", plus, kDeviceKey));
  EXPECT_FALSE(covers("hub.example.test%2Fdevices%2Fa%25252Bb%252523c%252525d", plus, kDeviceKey));
  const Resource escaped{"devices", "a%41"};
  EXPECT_TRUE(covers("hub.example.test/devices/a%41", escaped, kDeviceKey));
  EXPECT_TRUE(covers("hub.example.test%2Fdevices%2Fa%2541", escaped, kDeviceKey));
}

TEST(Audience, ServiceResources) {
  EXPECT_TRUE(covers("hub.example.test", {}, kPolicyKey));
  EXPECT_FALSE(covers("hub.example.test/devices/dev1", {}, kPolicyKey));
  const Resource partition{"hub", "ConsumerGroups", "$Default", "Partitions", "0"};
  EXPECT_TRUE(covers(kVectors[3].sr, partition, kPolicyKey));
  EXPECT_TRUE(covers("sb%3A%2F%2Fhub.example.test%2Fhub", partition, kPolicyKey));
  EXPECT_FALSE(covers("sb%3A%2F%2Fhub.example.test%2Fhub2", partition, kPolicyKey));
}

// --- making
// ---------------------------------------------------------------------------------------

TEST(MakeSasToken, MakesTheReferenceVector) {
  const WallTime expiry{seconds(4102444800) + milliseconds(999)};
  EXPECT_EQ(make_sas_token({"hub.example.test/devices/dev1", kKey, "", expiry}),
            "SharedAccessSignature sr=hub.example.test%2Fdevices%2Fdev1"
            "&sig=RgCMAGKcDG9ZgOOcnNknftJcq49KF4mBQuoqG%2BWN14o%3D&se=4102444800");
  EXPECT_EQ(
      make_sas_token({"hub.example.test", kKey, "io owner", expiry}),
      fmt::format("SharedAccessSignature sr=hub.example.test&sig={}&se=4102444800&skn=io%20owner",
                  kSig));
}

TEST(MakeSasToken, WhatItMakesIsAcceptedForEveryIdCharacter) {
  const std::string id = "aZ09-:.+%_#*?!(),=@;$'";
  const auto text =
      make_sas_token({"hub.example.test/devices/" + id, kKey, "", WallTime{seconds(10)}});
  ASSERT_TRUE(text);
  const SasToken token = parsed(*text);
  EXPECT_TRUE(sas_signature_matches(token, kKey, ""));
  EXPECT_TRUE(covers(token.sr, {"devices", id}, kDeviceKey));
}

TEST(MakeSasToken, RefusesAKeyThatIsNotBase64) {
  for (const char* key : {"", "abc", "a b=", "____"}) {
    const auto token = make_sas_token({"h", key, "", WallTime{}});
    ASSERT_FALSE(token) << key;
    EXPECT_EQ(token.error().code, ErrorCode::kArgumentInvalid);
  }
}

// What azure-eventhub for Python, JavaScript and Java sign with: HMAC-SHA256 under the bytes of the
// key's text.
TEST(SasTextKey, IsTheTextOfTheKeyItself) {
  const std::string text = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
  const auto token =
      parse_sas_token(*make_sas_token({.audience = "sb://hub/eh",
                                       .key = base64_encode(text),
                                       .policy = "service",
                                       .expiry = WallTime{} + std::chrono::hours(1)}));
  ASSERT_TRUE(token);
  EXPECT_EQ(sas_text_key_match(*token, text, ""), SasKeyMatch::kPrimary);
  EXPECT_EQ(sas_text_key_match(*token, "", text), SasKeyMatch::kSecondary);
  EXPECT_EQ(sas_text_key_match(*token, "", "not base64"), SasKeyMatch::kNone);
  EXPECT_EQ(sas_signature_match(*token, text, text), SasKeyMatch::kNone);
}

}  // namespace
}  // namespace linarite::wire
