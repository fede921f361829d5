// The option table of spec.faults of a Scenario.

#include "core/spec/bind.h"
#include "core/workload/faults.h"

namespace tidegate::workload {
namespace {

using spec::defaults_of;
using spec::kYear;
using spec::option;
using spec::Option;
using spec::Section;

template <auto Member>
constexpr Option model() {
  return option<Member>("model").otherwise("every model").like("qwen3-32b").says("Of which model.");
}
template <auto Member>
constexpr Option variant() {
  return option<Member>("variant")
      .otherwise("every variant")
      .like("h100")
      .says("Of which variant.");
}
template <auto Member>
constexpr Option from() {
  return option<Member>("from").between(0, kYear).says("When it begins.");
}
template <auto Member>
constexpr Option until() {
  return option<Member>("until").between(0, kYear).otherwise("the end").like("1h").says(
      "When it is over.");
}
template <auto Member>
constexpr Option count(std::string_view what) {
  return option<Member>("count").between(1, 10'000).says(what);
}
template <auto Member>
constexpr Option share(std::string_view key) {
  return option<Member>(key).between(0, 1);
}

constexpr Option kOutageRows[] = {from<&ScrapeOutage::from>(), until<&ScrapeOutage::until>()};
constexpr Section kOutage{"scrapeOutage", "No metrics page is read at all.", kOutageRows,
                          defaults_of<ScrapeOutage>};

constexpr Option kStockRows[] = {
    model<&StockOut::model>(),
    variant<&StockOut::variant>(),
    from<&StockOut::from>(),
    until<&StockOut::until>(),
    option<&StockOut::replicas>("replicas")
        .between(0, 10'000)
        .says("So many may run; what is ordered beyond waits in procurement."),
};
constexpr Section kStock{"stockOut", "The cloud has no more of it for a while.", kStockRows,
                         defaults_of<StockOut>};

constexpr Option kPoolRows[] = {
    option<&DevicePool::accelerator>("accelerator")
        .needed()
        .like("h100")
        .says("As in hardware.accelerator."),
    option<&DevicePool::devices>("devices")
        .needed()
        .between(0, 1'000'000)
        .like("16")
        .says("How many there are."),
};
constexpr Section kPool{"pool", "Devices that all models share.", kPoolRows,
                        defaults_of<DevicePool>};

constexpr Option kReclaimRows[] = {
    model<&Reclaim::model>(),
    variant<&Reclaim::variant>(),
    option<&Reclaim::at>("at").needed().between(0, kYear).like("30m").says("When."),
    count<&Reclaim::count>("How many of the youngest ready ones."),
    option<&Reclaim::notice>("notice").between(0, kYear).says("Told so long before; they drain."),
};
constexpr Section kReclaim{"reclaim", "Replicas are taken away.", kReclaimRows,
                           defaults_of<Reclaim>};

constexpr Option kSpotRows[] = {
    model<&SpotRisk::model>(),
    variant<&SpotRisk::variant>(),
    option<&SpotRisk::mean_life>("meanLife")
        .needed()
        .between(1, kYear)
        .like("2h")
        .says("Mean of the exponential time until a ready replica is taken."),
    option<&SpotRisk::notice>("notice").between(0, kYear).says("Told so long before; they drain."),
};
constexpr Section kSpot{"spot", "Replicas are taken away at random.", kSpotRows,
                        defaults_of<SpotRisk>};

constexpr Option kSlowRows[] = {
    model<&Slowdown::model>(),
    variant<&Slowdown::variant>(),
    from<&Slowdown::from>(),
    until<&Slowdown::until>(),
    count<&Slowdown::count>("How many of the oldest ready ones."),
    option<&Slowdown::factor>("factor").between(1, 1'000).says("Times slower."),
};
constexpr Section kSlow{"slowdown", "Replicas become slow.", kSlowRows, defaults_of<Slowdown>};

constexpr Option kFaultsRows[] = {
    option<&Faults::scrape_delay>("scrapeDelay")
        .between(0, 3'600)
        .says("From reading a metrics page to knowing what it says."),
    share<&Faults::scrape_loss>("scrapeLoss").says("Share of pages that never arrive."),
    option<&Faults::scrape_outages>("scrapeOutages", kOutage)
        .otherwise("none")
        .says("Times in which no page is read."),
    option<&Faults::actuation_delay>("actuationDelay")
        .between(0, 3'600)
        .says("From an order to the cluster taking it."),
    share<&Faults::actuation_failure>("actuationFailure")
        .says("Share of orders the cluster refuses."),
    share<&Faults::start_failure>("startFailure")
        .says("Share of starts that fail when the engine starts."),
    option<&Faults::stock_outs>("stockOuts", kStock)
        .otherwise("none")
        .says("Times in which a variant cannot grow."),
    option<&Faults::pools>("pools", kPool)
        .otherwise("no bound")
        .says("How many devices there are in all."),
    option<&Faults::reclaims>("reclaims", kReclaim)
        .otherwise("none")
        .says("Replicas taken away at a time."),
    option<&Faults::spot>("spot", kSpot).otherwise("none").says("Replicas taken away at random."),
    option<&Faults::slowdowns>("slowdowns", kSlow)
        .otherwise("none")
        .says("Replicas that become slow."),
};

}  // namespace

extern constexpr Section kFaultsSection{"faults", "What goes wrong, and when.", kFaultsRows,
                                        defaults_of<Faults>};

}  // namespace tidegate::workload
