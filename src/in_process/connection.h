// One connection of a client with the hub: the client's own network at one end, a gateway at the
// other, and a pipe between them, of which the test decides what crosses.
#pragma once

#include <linarite/manual_network.h>

#include <memory>
#include <string>

#include "base/bytes.h"
#include "net/pipe.h"

namespace linarite::in_process {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Streams of the client's end of the pipe live on `outside`, the gateway's on `inside`.
  Connection(client_end client, Loop& outside, Loop& inside, net::StreamAcceptor gateway);

  // The client's hold of it: to be given to the client's network, once. Harmless after the
  // connection is gone.
  std::unique_ptr<connection_peer> far_end();

  // Brings everything that can cross, of what clients sent and, if told so, of what the hub sent;
  // false if there was nothing.
  bool carry(bool answers);
  // Nothing crosses any more, and nobody is told.
  void go_silent() { silent_ = true; }
  void reset();
  // The hub's process has ended. Before its gateways do.
  void hub_ended();

  bool over() const;
  // As the CONNECT that crossed says; empty for other protocols, and before.
  const std::string& device_id() const { return device_id_; }

 private:
  class FarEnd;
  class NearEnd;
  bool carry_from(net::Pipe::Side side);
  void sent(std::string_view bytes);
  void note_login(std::string_view bytes);

  const client_end client_;
  Loop& outside_;
  net::Stream* stream_ = nullptr;  // The client's end of the pipe, while it lives.
  bool silent_ = false;
  bool logged_in_ = false;
  Bytes login_;
  std::string device_id_;
  net::Pipe pipe_;
};

}  // namespace linarite::in_process
