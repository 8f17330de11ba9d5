#include "mutants/mutations.h"

#include <algorithm>

namespace linarite::mutants {

// Without a default: the compiler misses a name that is not here.
std::string_view name_of(Mutation mutation) {
#define NAME(name)     \
  case Mutation::name: \
    return #name;
  switch (mutation) {
    NAME(kNone)
    NAME(kSendAckedEarly)
    NAME(kCompleteAckedEarly)
    NAME(kIdentityAckedEarly)
    NAME(kEventAckedEarly)
    NAME(kFeedbackAckedEarly)
    NAME(kFailedSyncBelieved)
    NAME(kOrderSwapped)
    NAME(kHeadNotMovedBack)
    NAME(kLockNotReleased)
    NAME(kQueueOneDeeper)
    NAME(kWindowOneWider)
    NAME(kExpiredDelivered)
    NAME(kRedeliveryNotMarked)
    NAME(kDeliveryCountNotRaised)
    NAME(kDeliveryCountNotStored)
    NAME(kPurgeMissesOne)
    NAME(kFeedbackDropped)
    NAME(kFeedbackComesBack)
    NAME(kDeletedMessagesStay)
    NAME(kDisabledMayConnect)
    NAME(kDisabledStaysConnected)
    NAME(kTakeoverKeepsTheOlder)
    NAME(kEtagIgnored)
    NAME(kEventSeenEarly)
    NAME(kEventNumbersForgotten)
    NAME(kTrimOneBlockMore)
    NAME(kPositionOffByOne)
    NAME(kEpochIgnored)
    NAME(kWatchNotWoken)
    NAME(kSessionPresentAlways)
    NAME(kSessionNotErased)
    NAME(kPacketIdTwice)
    NAME(kRefusalAccepted)
    NAME(kDispositionLosesLast)
    NAME(kDeliveryForgotten)
    NAME(kSessionWindowIgnored)
    NAME(kCreditOnItsWayTwice)
    NAME(kFrameLosesByte)
    NAME(kIdlePeerKept)
    NAME(kBodyLosesByte)
    NAME(kResponseTooShort)
    NAME(kIdleClientKept)
    NAME(kGroupAckedEarly)
    NAME(kGroupNotSynced)
    NAME(kGroupLosesLast)
    NAME(kFailureForgotten)
    NAME(kMarkTooHigh)
    NAME(kCount)
  }
#undef NAME
  return {};
}

bool in_embedded_store(Mutation mutation) {
  return mutation >= Mutation::kGroupAckedEarly && mutation < Mutation::kCount;
}

std::vector<Mutation> all_mutations() {
  std::vector<Mutation> all;
  for (uint8_t i = 1; i < static_cast<uint8_t>(Mutation::kCount); ++i) {
    all.push_back(static_cast<Mutation>(i));
  }
  return all;
}

std::optional<Mutation> mutation_named(std::string_view name) {
  const std::vector<Mutation> all = all_mutations();
  const auto found = std::ranges::find(all, name, name_of);
  return found == all.end() ? std::nullopt : std::optional(*found);
}

}  // namespace linarite::mutants
