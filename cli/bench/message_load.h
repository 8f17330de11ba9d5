// Messages to devices, and events of devices, followed from end to end.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "cli/bench/load.h"

namespace linarite::cli {

class MessageLoad final : public Load {
 public:
  // Sends `body` to or from the device, and later calls accepted() or refused() of the load with
  // the number.
  using Send = std::function<void(MessageLoad& load, size_t device, uint64_t number,
                                  const std::string& body)>;
  struct Options {
    Load::Options load;  // Timed: the first latency to acceptance, the second, if any, to receipt.
    Ledger::Options ledger;
    size_t depth = 20;  // Messages under way for one device, at most.
    // An operation is over when the message was accepted, although the books await its receipt: for
    // devices that are away.
    bool ends_accepted = false;
  };
  MessageLoad(const Clock& clock, Options options, Send send);

  void accepted(uint64_t number);
  void refused(uint64_t number, Failure why);
  void received(size_t device, std::string_view body, bool marked_as_repeated);
  // Messages that were received as they must be.
  uint64_t received_count() const { return received_; }
  // Messages that were accepted and not received.
  uint64_t unread() const { return accepted_ - received_; }

  void give_up() override;
  LoadFigures figures() const override;

 private:
  bool begin(uint64_t number, Instant due) override;
  Mistakes mistakes() const override { return ledger_.mistakes(); }
  void end(const Ledger::Step& step);

  const size_t depth_;
  const bool ends_accepted_;
  const bool times_receipt_;
  const Send send_;
  Ledger ledger_;
  std::vector<uint32_t> under_way_;  // By device.
  size_t next_device_ = 0;
  uint64_t accepted_ = 0;
  uint64_t received_ = 0;
};

}  // namespace linarite::cli
