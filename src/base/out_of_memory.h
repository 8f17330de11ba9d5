// What happens when there is no memory left: the process ends, loudly and at once, where the
// allocation was asked for. Nothing is acknowledged any more, no destructor runs on a half-made
// state, and what was acknowledged is found by the next start, as after a kill.
#pragma once

namespace linarite {

// For a program that is started again by whoever runs it, once, before its threads: from then on
// operator new does not throw std::bad_alloc; it writes a line to the standard error and aborts.
// Libraries must not call it: what is to happen in somebody else's program is not ours to say.
void end_when_out_of_memory();

}  // namespace linarite
