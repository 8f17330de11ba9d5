// What a process has used so far, as the kernel counts it: all its threads, user and system.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "load/report.h"

namespace linarite::load {

struct ProcessSample {
  double cpu_s = 0;             // /proc/PID/stat: utime + stime, in steps of 10 ms.
  uint64_t resident_bytes = 0;  // /proc/PID/statm
  uint64_t written_bytes = 0;   // /proc/PID/io: what was handed to the disk; 0 where not readable.
};

// Of 0: all fields 0. Ends the program if there is no such process: nothing measured then counts.
ProcessSample sample_process(pid_t process);
double own_cpu_s();
// Busy time of all the machine's processors, interrupts included.
double machine_cpu_s();

// What the server, the load and everybody else used between construction and add_to().
class Window {
 public:
  Window(pid_t server, double now_s);
  // `count` operations were completed in the window.
  void add_to(Report& report, uint64_t count, double now_s) const;

 private:
  pid_t server_;
  double started_s_;
  ProcessSample before_;
  double own_before_s_;
  double machine_before_s_;
};

}  // namespace linarite::load
