// iothub_service_client._native: the service client for the Python code beside it.
//
// Nothing here calls into Python. Whatever waits does so without the GIL; results are returned, as
// events, to the one thread of Python that asks for them. So no thread of ours ever needs the
// interpreter, and it may end whenever it likes.
#include <linarite/blocking.h>
#include <linarite/feedback.h>
#include <linarite/service_client.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace py = pybind11;
namespace asio = boost::asio;

namespace {

using linarite::errc;
using linarite::error;

// How often a call that waits looks whether Ctrl-C was pressed.
constexpr std::chrono::milliseconds kSignalPoll{100};

std::string text_of(const error& why) {
  return why ? std::string(linarite::exception(why).what()) : std::string();
}

std::optional<int64_t> milliseconds(const std::optional<linarite::wall_time>& time) {
  if (!time) return std::nullopt;
  return time->time_since_epoch().count();
}

// What became of an operation. `batch` is the number of a feedback batch, with its records.
struct Event {
  uint64_t operation = 0;
  int code = 0;  // 0: success.
  std::string text;
  uint64_t batch = 0;
  std::vector<linarite::feedback_record> records;
};

// The message as Python hands it over.
linarite::message message_of(const py::bytes& body, std::optional<std::string> message_id,
                             std::optional<std::string> correlation_id,
                             std::vector<linarite::property_list::value_type> properties,
                             std::optional<linarite::feedback_request> ack) {
  linarite::message out{std::string_view(body)};
  out.message_id = std::move(message_id);
  out.correlation_id = std::move(correlation_id);
  out.ack = ack;
  for (auto& [name, value] : properties) out.properties.append(std::move(name), std::move(value));
  return out;
}

// A connection for messages. connect(), send() and wake() on any thread; all else on the one that
// waits, which ends it with shut_down() before the object goes.
class Messaging {
 public:
  Messaging(const std::string& connection_string, size_t sends_max)
      : work_(asio::make_work_guard(context_)),
        client_(std::in_place, context_.get_executor(), connection_string, options(sends_max)) {}

  void connect(uint64_t operation) { client_->async_connect(reporter(operation)); }

  void send(uint64_t operation, std::string device_id, linarite::message message) {
    client_->async_send(
        std::move(device_id), std::move(message),
        [report = reporter(operation)](error why, linarite::send_result) { report(why); });
  }

  // The next batch, as an event that stays undecided until accept_feedback().
  void receive_feedback(uint64_t operation) {
    if (!feedback_) feedback_.emplace(*client_);
    feedback_->async_receive([this, operation](error why, linarite::feedback_batch batch) {
      Event event{
          .operation = operation, .code = why.code().value(), .text = text_of(why), .records = {}};
      if (!why) {
        event.batch = ++batches_made_;
        event.records = batch.records();
        batches_.emplace(event.batch, std::move(batch));
      }
      events_.push_back(std::move(event));
    });
  }

  void accept_feedback(uint64_t operation, uint64_t batch) {
    auto found = batches_.extract(batch);
    if (found.empty() || !feedback_) return;
    feedback_->async_accept(std::move(found.mapped()), reporter(operation));
  }

  // Until there are events, or wake() was called.
  std::vector<Event> wait() {
    const py::gil_scoped_release release;
    context_.run_one();
    context_.poll();
    return std::exchange(events_, {});
  }

  void wake() {
    asio::post(context_, [] {});
  }

  // Ends the connection with a goodbye. What was under way fails, in the events returned.
  std::vector<Event> shut_down() {
    const py::gil_scoped_release release;
    batches_.clear();
    feedback_.reset();
    bool closed = false;
    client_->async_close([&closed](const error&) { closed = true; });
    while (!closed) context_.run_one();
    client_.reset();
    context_.poll();
    return std::exchange(events_, {});
  }

 private:
  static linarite::service_options options(size_t sends_max) {
    linarite::service_options out;
    out.offline_queue.limit = sends_max;
    out.product_info = "iothub_service_client";
    return out;
  }
  std::function<void(error)> reporter(uint64_t operation) {
    return [this, operation](const error& why) {
      events_.push_back({.operation = operation,
                         .code = why.code().value(),
                         .text = text_of(why),
                         .records = {}});
    };
  }

  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::vector<Event> events_;  // Filled by handlers, which run in the thread that waits.
  std::map<uint64_t, linarite::feedback_batch> batches_;
  uint64_t batches_made_ = 0;
  std::optional<linarite::service_client> client_;
  std::optional<linarite::feedback_receiver> feedback_;
};

// The registry; any thread, several at a time. Each call waits for its answer.
class Registry {
  using Client = linarite::blocking::service_client;

  static bool interrupted() {
    const py::gil_scoped_acquire acquire;
    return PyErr_CheckSignals() != 0;
  }

  // Waits on a thread of its own, while this one looks for Ctrl-C, which cancels the call and is
  // raised when it has ended.
  template <class Call>
  auto wait_for(Call call) {
    const py::gil_scoped_release release;
    std::stop_source stop;
    auto answer = std::async(std::launch::async, [&] { return call(client_, stop.get_token()); });
    while (answer.wait_for(kSignalPoll) != std::future_status::ready) {
      if (stop.stop_requested() || !interrupted()) continue;
      stop.request_stop();
    }
    if (stop.stop_requested()) {
      const py::gil_scoped_acquire acquire;
      throw py::error_already_set();
    }
    return answer.get();
  }

 public:
  explicit Registry(const std::string& connection_string) : client_(connection_string) {}

  linarite::device create(const linarite::device& device) {
    return wait_for([&](Client& client, auto stop) { return client.create_device(device, stop); });
  }
  linarite::device update(const linarite::device& device) {
    return wait_for([&](Client& client, auto stop) { return client.update_device(device, stop); });
  }
  linarite::device get(const std::string& device_id) {
    return wait_for([&](Client& client, auto stop) { return client.get_device(device_id, stop); });
  }
  void remove(const std::string& device_id) {
    wait_for([&](Client& client, auto stop) { client.delete_device(device_id, {}, stop); });
  }
  std::vector<linarite::device> list() {
    return wait_for([](Client& client, auto stop) { return client.list_devices(stop); });
  }
  linarite::registry_statistics statistics() {
    return wait_for([](Client& client, auto stop) { return client.registry_statistics(stop); });
  }

 private:
  Client client_;
};

void define_values(py::module_& module) {
  py::enum_<linarite::feedback_request>(module, "FeedbackRequest")
      .value("none", linarite::feedback_request::none)
      .value("positive", linarite::feedback_request::positive)
      .value("negative", linarite::feedback_request::negative)
      .value("full", linarite::feedback_request::full);
  py::enum_<linarite::authentication_type>(module, "AuthenticationType")
      .value("sas", linarite::authentication_type::sas)
      .value("self_signed", linarite::authentication_type::self_signed)
      .value("certificate_authority", linarite::authentication_type::certificate_authority)
      .value("none", linarite::authentication_type::none);
  using Device = linarite::device;
  py::class_<Device>(module, "Device")
      .def(py::init<>())
      .def_readwrite("device_id", &Device::device_id)
      .def_property(
          "enabled", [](const Device& d) { return d.status == linarite::device_status::enabled; },
          [](Device& d, bool on) {
            d.status = on ? linarite::device_status::enabled : linarite::device_status::disabled;
          })
      .def_readwrite("status_reason", &Device::status_reason)
      .def_readwrite("authentication", &Device::authentication)
      .def_readwrite("primary_key", &Device::primary_key)
      .def_readwrite("secondary_key", &Device::secondary_key)
      .def_readwrite("primary_thumbprint", &Device::primary_thumbprint)
      .def_readwrite("secondary_thumbprint", &Device::secondary_thumbprint)
      .def_readonly("etag", &Device::etag)
      .def_readonly("generation_id", &Device::generation_id)
      .def_readonly("connected", &Device::connected)
      .def_readonly("cloud_to_device_message_count", &Device::cloud_to_device_message_count)
      .def_property_readonly(
          "connection_state_updated",
          [](const Device& d) { return milliseconds(d.connection_state_updated); })
      .def_property_readonly("status_updated",
                             [](const Device& d) { return milliseconds(d.status_updated); })
      .def_property_readonly("last_activity",
                             [](const Device& d) { return milliseconds(d.last_activity); });
  using Statistics = linarite::registry_statistics;
  py::class_<Statistics>(module, "Statistics")
      .def_readonly("total", &Statistics::total)
      .def_readonly("enabled", &Statistics::enabled)
      .def_readonly("disabled", &Statistics::disabled);
  using Record = linarite::feedback_record;
  py::class_<Record>(module, "FeedbackRecord")
      .def_readonly("message_id", &Record::message_id)
      .def_readonly("device_id", &Record::device_id)
      .def_readonly("generation_id", &Record::device_generation_id)
      .def_property_readonly("status", [](const Record& r) { return to_string(r.status); })
      .def_property_readonly("when", [](const Record& r) { return milliseconds(r.when); });
  py::class_<Event>(module, "Event")
      .def_readonly("operation", &Event::operation)
      .def_readonly("code", &Event::code)
      .def_readonly("text", &Event::text)
      .def_readonly("batch", &Event::batch)
      .def_readonly("records", &Event::records);
}

// _native.Error(code, text): what the library threw.
void define_error(py::module_& module) {
  static PyObject* const type =
      PyErr_NewException("iothub_service_client._native.Error", PyExc_Exception, nullptr);
  module.attr("Error") = py::handle(type);
  py::register_local_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const linarite::exception& problem) {
      PyErr_SetObject(type, py::make_tuple(problem.code().value(), problem.what()).ptr());
    }
  });
  const std::pair<const char*, errc> codes[] = {
      {"INVALID_CONNECTION_STRING", errc::invalid_connection_string},
      {"INVALID_ARGUMENT", errc::invalid_argument},
      {"PROTOCOL_ERROR", errc::protocol_error},
      {"CLOSED", errc::closed},
      {"FIRST_OF_HUB", errc::bad_request},
  };
  for (const auto& [name, code] : codes) module.attr(name) = static_cast<int>(code);
}

}  // namespace

PYBIND11_MODULE(_native, module) {
  define_error(module);
  define_values(module);
  module.def("check_connection_string",
             [](const std::string& text) { linarite::service_identity::parse(text); });
  py::class_<Messaging>(module, "Messaging")
      .def(py::init<const std::string&, size_t>())
      .def("connect", &Messaging::connect)
      .def("send",
           [](Messaging& self, uint64_t operation, std::string device_id, const py::bytes& body,
              std::optional<std::string> message_id, std::optional<std::string> correlation_id,
              std::vector<linarite::property_list::value_type> properties,
              std::optional<linarite::feedback_request> ack) {
             self.send(operation, std::move(device_id),
                       message_of(body, std::move(message_id), std::move(correlation_id),
                                  std::move(properties), ack));
           })
      .def("receive_feedback", &Messaging::receive_feedback)
      .def("accept_feedback", &Messaging::accept_feedback)
      .def("wait", &Messaging::wait)
      .def("wake", &Messaging::wake)
      .def("shut_down", &Messaging::shut_down);
  py::class_<Registry>(module, "Registry")
      .def(py::init<const std::string&>())
      .def("create", &Registry::create)
      .def("update", &Registry::update)
      .def("get", &Registry::get)
      .def("remove", &Registry::remove)
      .def("list", &Registry::list)
      .def("statistics", &Registry::statistics);
}
