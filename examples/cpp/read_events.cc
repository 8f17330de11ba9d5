// Prints the events of all devices. With a file for its checkpoints it goes on where it was when it
// last ended; with an owner level it is the only reader.
#include <linarite/blocking.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <string>

namespace {

// Of each partition the sequence number of the last event dealt with: "partition number" lines.
using Checkpoints = std::map<std::uint32_t, std::int64_t>;

Checkpoints read_checkpoints(const std::string& name) {
  Checkpoints out;
  std::ifstream file(name);
  std::uint32_t partition = 0;
  std::int64_t number = 0;
  while (file >> partition >> number) out[partition] = number;
  return out;
}

// The file is the old one or the new one, whatever happens meanwhile.
void write_checkpoints(const std::string& name, const Checkpoints& checkpoints) {
  {
    std::ofstream file(name + ".new");
    for (const auto& [partition, number] : checkpoints) file << partition << " " << number << "\n";
  }
  if (std::rename((name + ".new").c_str(), name.c_str()) != 0) {
    throw std::runtime_error("'" + name + "' cannot be written");
  }
}

void print(const linarite::event& event) {
  std::cout << event.partition << "/" << event.sequence_number << " " << event.device_id << ": "
            << event.content.text() << std::endl;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) throw std::invalid_argument("usage: CONNECTION_STRING [CHECKPOINTS [OWNER_LEVEL]]");
  const std::string file = argc > 2 ? argv[2] : "";
  Checkpoints checkpoints = read_checkpoints(file);
  linarite::event_reader_options options;
  options.begin = linarite::event_position::earliest();
  for (const auto& [partition, number] : checkpoints) {
    options.begin_in[partition] = linarite::event_position::from_sequence_number(number);
  }
  if (argc > 3) options.owner_level = std::stoll(argv[3]);
  linarite::blocking::event_reader reader(argv[1], options);
  std::cout << "Reading events, press Ctrl-C to exit" << std::endl;
  for (;;) {
    for (const linarite::event& event : reader.receive()) {
      print(event);
      checkpoints[event.partition] = event.sequence_number;
    }
    if (!file.empty()) write_checkpoints(file, checkpoints);
  }
} catch (const std::exception& failure) {
  std::cerr << failure.what() << std::endl;
  return 1;
}
