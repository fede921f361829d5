#pragma once
// `tidegate load`: replays a trace against an OpenAI-compatible endpoint and reports what its
// clients saw.
//
//   tidegate load --url http://127.0.0.1:8080 --trace azure.csv --time-scale 10
//   tidegate load --url http://gpu:8000 --trace rate.csv --lengths azure.csv --scale 0.1 --until 1h
//   tidegate load --url http://127.0.0.1:8080 --trace t.csv -f model.yaml --format json
//
// Results go to stdout, the progress bar (on a tty) and warnings to stderr. Ctrl-C stops and prints
// what there is so far; a second one at once. Exit codes: 0 whatever the server answered, 1 nothing
// could be measured or interrupted, 2 usage.

#include <cstddef>
#include <cstdint>
#include <string>

namespace tidegate::cli {

struct LoadOptions {
  std::string url;    // --url URL (required): http://host:port, with or without /v1
  std::string trace;  // --trace FILE (required): any format of format/trace.h, known by its header
  std::string
      lengths;       // --lengths FILE: token lengths for a rate series; default log-normal 1000/200
  double scale = 1;  // --scale X: multiplies the rate, > 0
  double speedup = 1;  // --speedup X: presses the arrivals alone, > 0
  double time_scale =
      1;              // --time-scale X: world seconds in a wall second, above 0 and at most 1000
  std::string from;   // --from DURATION: where in the trace to start; default its start
  std::string until;  // --until DURATION: where to stop; default its end
  std::string model;  // --model NAME: for every request; default the trace's own, else /v1/models
  bool chat = false;  // --chat: /v1/chat/completions instead of /v1/completions
  std::uint64_t seed = 1;        // --seed N: of thinning, arrivals, lengths and texts
  std::string format = "table";  // --format table|json
  std::string slo_ttft;          // --slo-ttft DURATION
  std::string slo_itl;           // --slo-itl DURATION
  std::string slo_e2e;           // --slo-e2e DURATION
  std::string spec;  // -f SPEC: the SLO and priority names of its model (--model where it
                     // has several); the flags above win
  std::string timeout = "10m";  // --timeout DURATION: a whole request, world time; 0s: none
  std::string api_key_env;      // --api-key-env NAME: variable that holds the key to send
  std::size_t max_open =
      20'000;  // --max-open N: open requests; over it they are lost, and counted so
};

int load(const LoadOptions& options);

}  // namespace tidegate::cli
