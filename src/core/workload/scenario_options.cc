// The option table of `kind: Scenario`: one row a key, as core/spec/options.h has them for a Model.

#include "core/spec/bind.h"
#include "core/workload/scenario.h"

namespace tidegate::workload {

extern const spec::Section kFaultsSection;

namespace {

using spec::Choice;
using spec::defaults_of;
using spec::kDay;
using spec::Kind;
using spec::kYear;
using spec::option;
using spec::Option;
using spec::Section;

constexpr double kMost = static_cast<double>(kMaxTokens);

/// One alternative of Part::shape as an object of its own.
template <class T>
constexpr Option shape(std::string_view key, const Section& section) {
  Option o;
  o.key = key;
  o.kind = Kind::kObject;
  o.section = &section;
  o.bind.child = [](void* owner) -> void* {
    return &static_cast<Part*>(owner)->shape.emplace<T>();
  };
  o.bind.view = [](const void* owner) -> const void* {
    return std::get_if<T>(&static_cast<const Part*>(owner)->shape);
  };
  return o;
}

template <auto Member>
constexpr Option rate(std::string_view key) {
  return option<Member>(key).between(0, kMaxRate).like("4");
}
template <auto Member>
constexpr Option time(std::string_view key) {
  return option<Member>(key).between(0, kYear);
}
template <auto Member>
constexpr Option share(std::string_view key) {
  return option<Member>(key).between(0, 1);
}

constexpr Option kSteadyRows[] = {
    rate<&Steady::rate>("rate").needed().says("Requests per second."),
};
constexpr Section kSteady{"steady", "The same rate all the time.", kSteadyRows,
                          defaults_of<Steady>};

constexpr Option kOnOffRows[] = {
    rate<&OnOff::rate>("rate").needed().says("Requests per second while on."),
    rate<&OnOff::off_rate>("offRate").says("Requests per second while off."),
    option<&OnOff::on>("on").needed().between(1, kYear).like("5m").says("How long it is on."),
    option<&OnOff::off>("off").needed().between(1, kYear).like("25m").says("How long it is off."),
    option<&OnOff::sojourn>("sojourn").says(
        "fixed, or exponential: on and off are then the means of random times."),
};
constexpr Section kOnOff{"onOff", "On for a while, off for a while; begins with on.", kOnOffRows,
                         defaults_of<OnOff>};

constexpr Option kDiurnalRows[] = {
    rate<&Diurnal::low>("low").needed().says("Requests per second in the dead of night."),
    rate<&Diurnal::high>("high").needed().says("Requests per second at the peak."),
    option<&Diurnal::peak_at>("peakAt").between(0, 7 * kDay).says("Time of day of the peak."),
    share<&Diurnal::weekend>("weekend").says("Saturday and Sunday as a share of a working day."),
    option<&Diurnal::day>("day")
        .between(60, 7 * kDay)
        .says("Length of a day; shorten it to press a week into less time."),
};
constexpr Section kDiurnal{"diurnal", "The shape of a day; the trace begins on a Monday at 00:00.",
                           kDiurnalRows, defaults_of<Diurnal>};

constexpr Option kStepRows[] = {
    rate<&Step::before>("before").needed().says("Requests per second before."),
    rate<&Step::after>("after").needed().says("Requests per second from then on."),
    time<&Step::at>("at").needed().like("20m").says("When it jumps."),
};
constexpr Section kStep{"step", "One jump.", kStepRows, defaults_of<Step>};

constexpr Option kRampRows[] = {
    rate<&Ramp::before>("before").needed().says("Requests per second before."),
    rate<&Ramp::after>("after").needed().says("Requests per second afterwards."),
    time<&Ramp::begin>("begin").needed().like("10m").says("When it begins to change."),
    time<&Ramp::end>("end").needed().like("40m").says("When it has changed."),
};
constexpr Section kRamp{"ramp", "A straight line from one rate to another.", kRampRows,
                        defaults_of<Ramp>};

constexpr Option kFlashRows[] = {
    rate<&FlashCrowd::rate>("rate").needed().says("Requests per second before and after."),
    option<&FlashCrowd::factor>("factor").between(0, 10'000).says("Times as many at the top."),
    time<&FlashCrowd::at>("at").needed().like("20m").says("When it begins."),
    time<&FlashCrowd::rise>("rise").says("How long it climbs."),
    time<&FlashCrowd::hold>("hold").says("How long it stays."),
    time<&FlashCrowd::fall>("fall").says("How long it falls."),
};
constexpr Section kFlash{"flashCrowd", "Suddenly many times as many.", kFlashRows,
                         defaults_of<FlashCrowd>};

constexpr Option kTokenRows[] = {
    option<&TokenSpread::p50>("p50").needed().between(1, kMost).like("500").says("Median."),
    option<&TokenSpread::p90>("p90")
        .between(1, kMost)
        .otherwise("all are p50 long")
        .like("1500")
        .says("90th percentile."),
    option<&TokenSpread::max>("max")
        .between(1, kMost)
        .otherwise("no bound")
        .like("8000")
        .says("Longer draws are cut to this; give it where the engine's context is short."),
};
constexpr Section kTokens{"tokens", "Log-normal numbers of tokens.", kTokenRows,
                          defaults_of<TokenSpread>};

constexpr Option kLengthsRows[] = {
    option<&Lengths::prompt>("prompt", kTokens)
        .otherwise("{p50: 1000, p90: 3000}")
        .says("Of the prompt, without a shared prefix."),
    option<&Lengths::output>("output", kTokens)
        .otherwise("{p50: 200, p90: 600}")
        .says("Of the answer."),
    option<&Lengths::trace>("trace")
        .otherwise("log-normal")
        .like("azure2023_conv.csv")
        .says("A request trace to draw pairs of lengths from, instead of the two above."),
};
constexpr Section kLengths{"lengths", "How long prompts and answers are.", kLengthsRows,
                           defaults_of<Lengths>};

constexpr Option kPrefixRows[] = {
    share<&PrefixGroups::share>("share").says("Share of the requests that begin with one."),
    option<&PrefixGroups::groups>("groups")
        .needed()
        .between(1, static_cast<double>(kMaxPrefixGroups))
        .like("20")
        .says("How many different ones there are."),
    option<&PrefixGroups::zipf>("zipf").between(0, 5).says(
        "How unequal: the k-th has weight 1 / k^zipf; 0 is all alike."),
    option<&PrefixGroups::tokens>("tokens")
        .between(1, static_cast<double>(kMaxPrefixTokens))
        .says("Length of each; stands in front of the prompt drawn."),
    option<&PrefixGroups::block_tokens>("blockTokens")
        .between(1, 4'096)
        .says("Tokens a block hash covers; the engine's block size."),
};
constexpr Section kPrefixes{"prefixes", "Texts that many prompts begin with.", kPrefixRows,
                            defaults_of<PrefixGroups>};

constexpr Option kShareRows[] = {
    option<&Share::name>("name").needed().like("batch").says("Which."),
    share<&Share::share>("share").says("Share of the part's requests."),
};
constexpr Section kShare{"share", "A name and its share.", kShareRows, defaults_of<Share>};

constexpr Option kPartRows[] = {
    option<&Part::name>("name")
        .as(Kind::kLabel)
        .otherwise("part-0, part-1, ..")
        .like("chat")
        .says("Names it and its random streams; keep it, and its draws stay as they are."),
    shape<Steady>("steady", kSteady).says("The same rate all the time."),
    shape<OnOff>("onOff", kOnOff).says("On for a while, off for a while."),
    shape<Diurnal>("diurnal", kDiurnal).says("A day, with weekends."),
    shape<Step>("step", kStep).says("One jump."),
    shape<Ramp>("ramp", kRamp).says("A straight line from one rate to another."),
    shape<FlashCrowd>("flashCrowd", kFlash).says("Suddenly many times as many."),
    option<&Part::cv>("cv").between(0, kMaxCv).says(
        "Burstiness: variation of the gaps. 1 is Poisson, 3 comes in bursts (Gamma), 0 is even."),
    time<&Part::from>("from").says("No request of this part before."),
    time<&Part::until>("until").otherwise("the end").like("2h").says("None from then on."),
    option<&Part::lengths>("lengths", kLengths).says("How long prompts and answers are."),
    option<&Part::prefixes>("prefixes", kPrefixes)
        .otherwise("none")
        .says("Texts that many prompts begin with; prefix caches live on them."),
    option<&Part::priorities>("priorities", kShare)
        .otherwise("the first class")
        .says("Mix of priority classes, by name."),
    option<&Part::tenants>("tenants", kShare)
        .at_most(1'000)
        .otherwise("none")
        .says("Mix of tenants, between which the queue is fair."),
    option<&Part::adapters>("adapters", kShare)
        .at_most(1'000)
        .otherwise("the base model")
        .says("Mix of LoRA adapters."),
    option<&Part::models>("models", kShare)
        .otherwise("the only model")
        .says("Mix of models; needed where there are several."),
};
constexpr std::string_view kShapes[] = {"steady", "onOff", "diurnal", "step", "ramp", "flashCrowd"};
constexpr Section kPart{"part",
                        "Requests of one kind; parts add up.",
                        kPartRows,
                        defaults_of<Part>,
                        Choice::kExactlyOne,
                        kShapes};

constexpr Option kTraceRows[] = {
    option<&TraceSource::path>("path")
        .needed()
        .like("trace.csv")
        .says("A request trace or rate series, from this file's folder; the header says which."),
    option<&TraceSource::lengths>("lengths")
        .otherwise("log-normal")
        .like("azure2023_conv.csv")
        .says("For a rate series: a request trace to draw lengths from."),
    option<&TraceSource::scale>("scale").above(0, 10'000).says("Multiplies the rate."),
    option<&TraceSource::speedup>("speedup").above(0, 1e6).says("Divides the times."),
    time<&TraceSource::from>("from").says("First instant taken, in the trace's own time."),
    time<&TraceSource::until>("until").otherwise("its end").like("2h").says(
        "First instant not taken."),
};
constexpr Section kTrace{"trace", "Requests from a file.", kTraceRows, defaults_of<TraceSource>};

constexpr Option kWorkloadRows[] = {
    option<&Scenario::trace>("trace", kTrace).otherwise("parts").says("Requests from a file."),
    option<&Scenario::parts>("parts", kPart)
        .at_most(kMaxParts)
        .otherwise("trace")
        .says("Requests that are made, as a sum of parts."),
};
constexpr Section kWorkload{"workload",          "Who asks for what, and when; one of the two.",
                            kWorkloadRows,       defaults_of<Scenario>,
                            Choice::kExactlyOne, {}};

constexpr Option kScenarioRows[] = {
    option<&Scenario::title>("title")
        .needed()
        .like("A step of 8 x.")
        .says("What it shows, in one sentence."),
    time<&Scenario::duration>("duration")
        .otherwise("a trace's own length")
        .like("1h")
        .says("How long requests come; needed where they are made."),
    option<&Scenario::seed>("seed")
        .between(0, 4'294'967'295)
        .says("All chance is drawn from it: the same seed, the same figures."),
    option<&Scenario::front>("front").says(
        "Tidegate's gateway, or a plain least-request proxy with the engines' own queues."),
    option<&Scenario::policies>("policies")
        .at_most(32)
        .otherwise("the models' own")
        .like("[concurrency, hpa, \"static:4\"]")
        .says("Policies to play one after another, as after --policy."),
    spec::same_owner("workload", kWorkload).says("Who asks for what, and when."),
    option<&Scenario::faults>("faults", kFaultsSection).says("What goes wrong, and when."),
};
constexpr Section kScenario{"spec", "What happens to the models beside it in the file.",
                            kScenarioRows, defaults_of<Scenario>};

}  // namespace

const Section& scenario_section() { return kScenario; }

}  // namespace tidegate::workload
