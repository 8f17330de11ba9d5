// Deliberate bugs, to prove that the simulation would notice them (docs/reliability.md). They exist
// only in the programs of tests/mutants and in iofail_mutants, compiled with LINARITE_MUTATIONS: in
// every other build mutated() is a constant false, and nothing of them is in the program.
//
// Only .cc files may ask, and tests/mutants/CMakeLists.txt lists those that do.
#pragma once

#include <cstdint>

namespace linarite {

enum class Mutation : uint8_t {
  kNone,

  // Acknowledged before it is on the disk.
  kSendAckedEarly,      // A cloud-to-device message.
  kCompleteAckedEarly,  // The end of a message.
  kIdentityAckedEarly,  // A change of an identity.
  kEventAckedEarly,     // A device's event.
  kFeedbackAckedEarly,  // The end of a batch of feedback.
  kFailedSyncBelieved,  // What a failed sync should have made durable.

  // Queues.
  kOrderSwapped,            // The second message is offered before the first.
  kHeadNotMovedBack,        // What comes back into the queue is not looked at again.
  kLockNotReleased,         // What a closed connection held stays locked.
  kQueueOneDeeper,          // One message more than the queue may hold.
  kWindowOneWider,          // One delivery more than the connection asked for.
  kExpiredDelivered,        // The time to live of a message is not looked at.
  kRedeliveryNotMarked,     // A message that comes again looks like a new one.
  kDeliveryCountNotRaised,  // By an abandon.
  kDeliveryCountNotStored,  // Nor is it known after a crash.
  kPurgeMissesOne,          // The last message of the queue stays.

  // Feedback.
  kFeedbackDropped,    // Nobody is told of the end of a message.
  kFeedbackComesBack,  // A batch that was accepted is offered again.

  // Identities.
  kDeletedMessagesStay,     // On the disk, for the next device of the name.
  kDisabledMayConnect,      // A disabled device may.
  kDisabledStaysConnected,  // A device that is disabled keeps its connection.
  kTakeoverKeepsTheOlder,   // The older connection is not told.
  kEtagIgnored,             // Every condition is fulfilled.

  // Events.
  kEventSeenEarly,         // By readers, before it is on the disk.
  kEventNumbersForgotten,  // A restart does not know what was trimmed.
  kTrimOneBlockMore,       // Retention takes the first block that is to stay.
  kPositionOffByOne,       // A reader starts at the event that it asked to start behind.
  kEpochIgnored,           // A lower epoch does not keep a receiver out.
  kWatchNotWoken,          // A reader that waits is not told of new events.

  // Protocols.
  kSessionPresentAlways,  // CONNACK says that a session was kept.
  kSessionNotErased,      // A clean session leaves the old one on the disk.
  kPacketIdTwice,         // Two messages in flight have the same packet id.
  kRefusalAccepted,       // A back end is told over AMQP that a refused message was taken.

  // The AMQP engine.
  kDispositionLosesLast,  // What is said of several deliveries is not said of the last of them.
  kDeliveryForgotten,     // What is said of a delivery that was sent is not understood.
  kSessionWindowIgnored,  // Frames are sent that the peer's session has no room for.
  kCreditOnItsWayTwice,   // Credit does not count what is on its way to the receiver.
  kFrameLosesByte,        // Between two frames of a message.
  kIdlePeerKept,          // A peer that says nothing is never given up.

  // The HTTP engine.
  kBodyLosesByte,     // Where a body was cut on its way.
  kResponseTooShort,  // A response has a byte less than its length says.
  kIdleClientKept,    // A connection without a request is never closed.

  // The embedded store.
  kGroupAckedEarly,   // Commits are answered before they are written.
  kGroupNotSynced,    // They are answered when the kernel has them.
  kGroupLosesLast,    // The last commit of a group is answered and not written.
  kFailureForgotten,  // After a failed write it goes on.
  kMarkTooHigh,       // The high-water mark counts a commit that was never made.

  kCount,  // How many there are, with kNone.
};

#ifdef LINARITE_MUTATIONS
// The one bug that this process has. Set once, before anything runs.
inline Mutation chosen_mutation = Mutation::kNone;
inline bool mutated(Mutation bug) { return bug == chosen_mutation; }
#else
// Leaves no symbol that could meet the other one in a program.
consteval bool mutated(Mutation /*bug*/) { return false; }
#endif

}  // namespace linarite
