#pragma once
// TideState: what the policy `tide` remembers between decisions. A value of at most 6.5 KB as
// MessagePack for a model of two variants and four orders on their way (core/policy/policy.h).
// Rates are requests a second.
//
// All lists are bounded: kTidePredictors predictors, kMostTideForecasts forecasts waiting for their
// hour, kMostTideOrders orders on their way.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <tuple>
#include <vector>

#include "core/base/fields.h"
#include "core/base/time.h"

namespace tidegate::policy {

enum class TidePredictor : std::uint8_t { kLast, kSeason };
inline constexpr std::size_t kTidePredictors = 2;
/// What may decide: what a predictor says, and no less than a share of the peak of the last hours.
struct TideWay {
  TidePredictor predictor = TidePredictor::kLast;
  double held = 0;
};
inline constexpr TideWay kTideWays[] = {
    {},
    {TidePredictor::kSeason, 0},
    {TidePredictor::kLast, 0.5},
    {TidePredictor::kLast, 0.7},
    {TidePredictor::kLast, 0.85},
    {TidePredictor::kLast, 1},
};
inline constexpr std::size_t kTideWayCount = std::size(kTideWays);
/// Half hours of a working day and of one of the weekend.
inline constexpr std::size_t kTideSeasonSlots = 2 * 48;
inline constexpr std::size_t kTideBins = 40;  ///< in a lead time
inline constexpr std::size_t kMostTideForecasts = kTideBins + 2;
/// Shares of the modelled capacity that may be what is there (tide_credit.h).
inline constexpr double kTideCredits[] = {1, 0.85, 0.7, 0.58, 0.46, 0.36, 0.28};
inline constexpr std::size_t kTideCreditCount = std::size(kTideCredits);
/// Sizes of surprises that are counted: times the capacity ordered (tide_pool.h).
inline constexpr double kTideSurprises[] = {1, 1.25, 1.6, 2, 2.5, 3.2, 4, 5, 6.4, 8, 10};
inline constexpr std::size_t kMostTideOrders = 24;

/// What was said of the rate at `due`.
struct TideForecast {
  Instant due;
  std::vector<double> rates;   ///< one a predictor
  double burst = 0;            ///< the rate of a burst under way, 0: none
  double peak = 0;             ///< of the last hours
  double level = 0, rise = 0;  ///< the mean when it was said, and what its slope adds by `due`
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"due", &TideForecast::due}, Field{"rates", &TideForecast::rates},
                      Field{"burst", &TideForecast::burst}, Field{"peak", &TideForecast::peak},
                      Field{"level", &TideForecast::level}, Field{"rise", &TideForecast::rise});
  }
  bool operator==(const TideForecast&) const = default;
};

struct TideOrder {
  std::int64_t variant = 0, replicas = 0;
  Instant at;
  bool waking = false;  ///< slept before: there after a wake, not after a start
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"variant", &TideOrder::variant},
                      Field{"replicas", &TideOrder::replicas}, Field{"at", &TideOrder::at},
                      Field{"waking", &TideOrder::waking});
  }
  bool operator==(const TideOrder&) const = default;
};

/// What was learned of one variant: factors on its profile, and means of what a rank reports.
struct TideVariant {
  double decode = 1;   ///< step time but for its prefill
  double prefill = 1;  ///< prefill; of what is computed
  double held = 1;     ///< KV of a sequence: lengths are spread, only their means are known
  double batch = 0;    ///< sequences running
  double output = 0, prompt = 0;  ///< tokens a second; prompt: computed, not found in the cache
  double hits = 0;                ///< share of prompt tokens found in the prefix cache
  double kv = 0;                  ///< tokens
  std::int64_t ready = 0, sleeping = 0;
  static constexpr auto fields(auto...) {
    using V = TideVariant;
    return std::tuple(Field{"decode", &V::decode}, Field{"prefill", &V::prefill},
                      Field{"held", &V::held}, Field{"batch", &V::batch},
                      Field{"output", &V::output}, Field{"prompt", &V::prompt},
                      Field{"hits", &V::hits}, Field{"kv", &V::kv}, Field{"ready", &V::ready},
                      Field{"sleeping", &V::sleeping});
  }
  bool operator==(const TideVariant&) const = default;
};

/// Means of requests.
struct TideLengths {
  double prompt_tokens = 0, output_tokens = 0;
  double kv_token_steps = 0;  ///< KV tokens held, summed over the steps of an answer
  double requests = 0;        ///< behind them
  static constexpr auto fields(auto...) {
    using L = TideLengths;
    return std::tuple(Field{"promptTokens", &L::prompt_tokens},
                      Field{"outputTokens", &L::output_tokens},
                      Field{"kvTokenSteps", &L::kv_token_steps}, Field{"requests", &L::requests});
  }
  bool operator==(const TideLengths&) const = default;
};

/// See tide_trend.h.
struct TideTrend {
  double mean = 0;                   ///< of about a lead time
  double slope = 0;                  ///< requests/s a second; none of it is chance
  double squares = 0, products = 0;  ///< of rises said, relative, and of those with what came
  static constexpr auto fields(auto...) {
    using T = TideTrend;
    return std::tuple(Field{"mean", &T::mean}, Field{"slope", &T::slope},
                      Field{"squares", &T::squares}, Field{"products", &T::products});
  }
  bool operator==(const TideTrend&) const = default;
};

struct TideState {
  // Demand: totals read last, and what they say.
  Instant began = Instant::never(), read_at = Instant::never();
  std::int64_t arrived_total = 0, prompt_total = 0, output_total = 0, kv_total = 0;
  double engines_hold = 0, engines_owe = 0;  ///< requests (tide_engines.h)
  TideLengths lengths;                       ///< of late
  TideLengths usual;                         ///< of the last hours: rates count such requests
  TideLengths recent;                        ///< of the last half minute, faded
  double believed = 0;  ///< share of the way from those of late to the recent ones (tide_work.h)
  double recent_work = 0, work_variance = 1;  ///< in usual requests: sum of the recent, of one
  double fast = 0;                            ///< rate of the last seconds
  double fast_seconds = 8;
  Instant last_arrival;
  // The bin being filled, and the one before.
  Instant bin_began;
  double tick_requests = 0, tick_seconds = 0;  ///< of the last reading
  double bin_requests = 0, bin_rate = -1;
  std::int64_t bins = 0;
  double dispersion = 1;  ///< variance of a bin's count over its mean: 1 is Poisson
  // Forecast.
  double last = 0, slow = 0;  ///< means of about `window`, and of 15 of them
  TideTrend trend;
  double peak = 0, bin_peak = 0;  ///< of `fast`: slowly forgotten, and of this bin
  double bin_burst = 0;           ///< the largest burst of this bin
  std::vector<double> errors;     ///< one a predictor: variance relative to what was said
  // One a way: had it decided alone.
  std::vector<double> serving;  ///< requests/s that its replicas sustain now
  std::vector<double> flights;  ///< requests that it would hold or have waiting now
  std::vector<double> late;     ///< requests of this lead time that would wait too long
  std::vector<double> late_sum, late_squares;  ///< of the lead times before, slowly forgotten
  std::vector<double> cost;                    ///< mean requests/s
  Instant block_began;                         ///< of this lead time
  double block_came = 0, came_sum = 0;         ///< requests beside `late` and `late_sum`
  std::vector<TideForecast> forecasts;
  // What the way in force was said to miss and what was missed, of what was judged: requests.
  double said_missed = 0, really_missed = 0, judged = 0;
  std::int64_t block_judged_total = -1, block_met_total = 0;  ///< as the lead time began
  std::int64_t scored = 0;
  std::int64_t way = 0;    ///< the one of kTideWays that decides
  double persistence = 1;  ///< share of a burst that is still there a lead time later
  std::int64_t bursts = 0;
  // What was judged (tide_credit.h), and what each credit would have had: requests.
  std::int64_t judged_total = -1, met_total = 0;
  double bin_judged = 0, bin_missed = 0, misses = 0, credit = 1;
  double luck = 1;                              ///< factor on the margins of chance
  double recent_judged = 0, recent_missed = 0;  ///< over about `window`
  double share = 0.99;                          ///< aimed at by the last decision
  std::vector<double> credit_flights, credit_late, credit_error;
  // Surprises (tide_pool.h): of at least each size, over the hours watched.
  std::vector<double> surprises;
  double surprise_hours = 0;
  double watch_sustained = 0, watch_largest = 0;  ///< requests/s of this lead time
  Instant watch_began;
  // Season (tide_season.h): thousandths of requests/s, -1: not seen; the half hour being filled.
  std::vector<std::int64_t> season;
  std::int64_t season_slot = -1;
  double season_requests = 0, season_seconds = 0;
  double season_came = 0, season_said = 0;  ///< requests/s of the last hours: real, and by shape
  // Fleet.
  std::vector<TideVariant> variants;
  std::vector<TideOrder> orders;  ///< oldest first
  Instant tripped_until;
  std::int64_t tripped_floor = 0;
  static constexpr auto fields(auto...) {
    using S = TideState;
    return std::tuple(
        Field{"began", &S::began}, Field{"readAt", &S::read_at},
        Field{"arrivedTotal", &S::arrived_total}, Field{"promptTotal", &S::prompt_total},
        Field{"outputTotal", &S::output_total}, Field{"kvTotal", &S::kv_total},
        Field{"enginesHold", &S::engines_hold}, Field{"enginesOwe", &S::engines_owe},
        Field{"lengths", &S::lengths}, Field{"usual", &S::usual},
        Field{"recentWork", &S::recent_work}, Field{"recent", &S::recent},
        Field{"believed", &S::believed}, Field{"workVariance", &S::work_variance},
        Field{"fast", &S::fast}, Field{"lastArrival", &S::last_arrival},
        Field{"binBegan", &S::bin_began}, Field{"tickRequests", &S::tick_requests},
        Field{"tickSeconds", &S::tick_seconds}, Field{"binRequests", &S::bin_requests},
        Field{"binRate", &S::bin_rate}, Field{"bins", &S::bins},
        Field{"dispersion", &S::dispersion}, Field{"last", &S::last}, Field{"slow", &S::slow},
        Field{"trend", &S::trend}, Field{"errors", &S::errors}, Field{"serving", &S::serving},
        Field{"flights", &S::flights}, Field{"late", &S::late}, Field{"lateSum", &S::late_sum},
        Field{"lateSquares", &S::late_squares}, Field{"saidMissed", &S::said_missed},
        Field{"reallyMissed", &S::really_missed}, Field{"judged", &S::judged},
        Field{"blockJudgedTotal", &S::block_judged_total},
        Field{"blockMetTotal", &S::block_met_total}, Field{"blockBegan", &S::block_began},
        Field{"blockCame", &S::block_came}, Field{"cameSum", &S::came_sum}, Field{"cost", &S::cost},
        Field{"forecasts", &S::forecasts}, Field{"scored", &S::scored}, Field{"way", &S::way},
        Field{"persistence", &S::persistence}, Field{"bursts", &S::bursts}, Field{"peak", &S::peak},
        Field{"binPeak", &S::bin_peak}, Field{"binBurst", &S::bin_burst},
        Field{"fastSeconds", &S::fast_seconds}, Field{"judgedTotal", &S::judged_total},
        Field{"metTotal", &S::met_total}, Field{"binJudged", &S::bin_judged},
        Field{"luck", &S::luck}, Field{"recentJudged", &S::recent_judged},
        Field{"recentMissed", &S::recent_missed}, Field{"share", &S::share},
        Field{"binMissed", &S::bin_missed}, Field{"misses", &S::misses},
        Field{"credit", &S::credit}, Field{"creditFlights", &S::credit_flights},
        Field{"creditLate", &S::credit_late}, Field{"creditError", &S::credit_error},
        Field{"surprises", &S::surprises}, Field{"surpriseHours", &S::surprise_hours},
        Field{"watchSustained", &S::watch_sustained}, Field{"watchLargest", &S::watch_largest},
        Field{"watchBegan", &S::watch_began}, Field{"season", &S::season},
        Field{"seasonSlot", &S::season_slot}, Field{"seasonRequests", &S::season_requests},
        Field{"seasonSeconds", &S::season_seconds}, Field{"seasonCame", &S::season_came},
        Field{"seasonSaid", &S::season_said}, Field{"variants", &S::variants},
        Field{"orders", &S::orders}, Field{"trippedUntil", &S::tripped_until},
        Field{"trippedFloor", &S::tripped_floor});
  }
  bool operator==(const TideState&) const = default;
};

/// What was learned and outlives a restart; rates, forecasts and orders do not.
TideState carried_over(const TideState& state);

}  // namespace tidegate::policy
