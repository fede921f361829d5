#include "format/engine_log.h"

#include <gtest/gtest.h>

#include <string>

namespace tidegate::format {
namespace {

Duration told(double seconds) { return seconds < 0 ? Duration(-1) : seconds_f(seconds); }
EngineStart start(double weights, double compile = -1, double graphs = -1) {
  return {.weights = told(weights), .compile = told(compile), .graphs = told(graphs)};
}

TEST(EngineLog, TellsTheStagesOfEachEnginesWords) {
  struct Row {
    const char* label;
    const char* text;
    EngineStart expected;
  };
  for (const Row& row : {
           Row{"an empty log says nothing", "", start(-1)},
           Row{"vLLM: loading the model holds the loading of its weights",
               "INFO 01-02 03:04:05 [default_loader.py:397] Loading weights took 26.93 seconds\n"
               "(EngineCore pid=9) INFO [model_runner.py:295] Model loading took 7.64 GiB and "
               "32.969258 seconds\n",
               start(32.969258)},
           Row{"vLLM of late: a word more", "Model loading took 12.66 GiB memory and 31.5 seconds",
               start(31.5)},
           Row{"vLLM of old: no time with the size",
               "Loading weights took 2.5 seconds\nLoading model weights took 14.9888 GB\n",
               start(2.5)},
           Row{"vLLM of old: a time with the size",
               "Loading model weights took 14.99 GB and 3.25 seconds", start(3.25)},
           Row{"vLLM: compilation and capture",
               "[backends.py:144] Compiling a graph for general shape takes 27.31 s\n"
               "[monitor.py:33] torch.compile takes 34.61 s in total\n"
               "[gpu_model_runner.py:1608] Graph capturing finished in 17 secs, took 0.48 GiB\n"
               "[core.py:162] init engine (profile, create kv cache, warmup model) took 80.1 "
               "seconds\n",
               start(-1, 34.61, 17)},
           Row{"SGLang",
               "[2026-01-02 03:04:05 TP0] Load weight end. elapsed=8.01 s, type=X, avail mem=1 GB\n"
               "[2026-01-02 03:04:06 TP0] Capture cuda graph end. Time elapsed: 26.12 s. mem\n",
               start(8.01, -1, 26.12)},
           Row{"SGLang of late", "Capture target decode CUDA graph end. elapsed=16.40 s",
               start(-1, -1, 16.4)},
           Row{"of several ranks the longest counts, in any order",
               "(TP0) Model loading took 1.0 GiB and 5.0 seconds\n"
               "(TP1) Model loading took 1.0 GiB and 7.0 seconds\n"
               "(TP2) Model loading took 1.0 GiB and 6.0 seconds\n",
               start(7)},
           Row{"an emulated engine plays the node and the image too",
               "Emulated procurement took 60.00 seconds\nEmulated image took 40.00 seconds\n",
               {.procurement = seconds(60), .image = seconds(40)}},
           Row{"a progress bar ends its line with a return",
               "Loading shards: 50%\rLoading weights took 3.0 seconds\r", start(3)},
           Row{"numbers that are no times are passed over",
               "Loading weights took -3 seconds\nLoading weights took 86400 seconds\n"
               "Loading weights took nan seconds\nLoading weights took seconds\n"
               "Loading weights took 4 GiB\ntorch.compile takes",
               start(-1)},
       }) {
    SCOPED_TRACE(row.label);
    EXPECT_EQ(parse_engine_log(row.text), row.expected);
  }
}

TEST(EngineLog, LooksNoFurtherThanItsLimits) {
  const std::string line = "Loading weights took 3 seconds\n";
  EXPECT_EQ(parse_engine_log(std::string(kMaxLine - line.size() + 1, 'x') + line), start(3));
  EXPECT_EQ(parse_engine_log(std::string(kMaxLine - 10, 'x') + line), start(-1));
  EXPECT_EQ(parse_engine_log(std::string(kMaxStartLog - line.size(), '\n') + line), start(3));
  EXPECT_EQ(parse_engine_log(std::string(kMaxStartLog - 10, '\n') + line), start(-1));
}

}  // namespace
}  // namespace tidegate::format
