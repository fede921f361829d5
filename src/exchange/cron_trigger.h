#pragma once
// KEDA's cron trigger {start, end} and our schedule window {cron, duration}: the same, where both
// can say it.
//
//   auto span = cron_span(window);                       // "0 8 * * mon-fri" for 10 h:
//   // {"0 8 * * mon-fri", "0 18 * * mon-fri"}
//   auto lasts = cron_duration(span->start, span->end);  // 10 h
//
// Only a fixed minute and hour have an end that is a cron line again; over midnight only where
// every day is meant. Thread-safety: pure functions. Source: keda.sh "Cron" scaler.

#include <optional>
#include <string>

#include "core/spec/model.h"

namespace tidegate::exchange {

struct CronSpan {
  std::string start, end;
};
std::optional<CronSpan> cron_span(const spec::ScheduleWindow& window);
std::optional<Duration> cron_duration(const std::string& start, const std::string& end);

}  // namespace tidegate::exchange
