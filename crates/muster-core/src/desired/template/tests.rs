use super::*;
use minijinja::context;

fn render(text: &str) -> Result<String, String> {
    render_with(&engine(), text)
}

fn render_with(engine: &Environment<'_>, text: &str) -> Result<String, String> {
    let scope = context! { nid => 300, name => "a&b" };
    super::render(engine, "test", text, scope).map_err(|e| reason(&e))
}

fn engine() -> Environment<'static> {
    let network = Network {
        name: "node".into(),
        cidrs: vec!["10.0.0.0/22".parse().unwrap()],
        gateways: vec!["10.0.3.254".parse().unwrap()],
        dns: vec![],
        domain: Some("example".into()),
        vlan: Some(7),
        mtu: None,
        advertise: None,
    };
    environment(&Arc::from([network]))
}

#[test]
fn addresses_are_computed_across_octets() {
    assert_eq!(render("{{ net('node') | host(nid) }}").as_deref(), Ok("10.0.1.44"));
    assert_eq!(render("{{ net('node').gateway }}/{{ net('node').prefix }}").as_deref(), Ok("10.0.3.254/22"));
    let error = render("{{ net('node') | host(1024) }}").unwrap_err();
    assert_eq!(error, "network `node` (10.0.0.0/22) has no address number 1024");
}

#[test]
fn strict_bounded_and_unescaped() {
    assert_eq!(render("{{ name }} ${net0/mac}\n").as_deref(), Ok("a&b ${net0/mac}\n"));
    assert!(render("{{ nmae }}").unwrap_err().contains("undefined"));
    assert_eq!(render("{{ net('nod') }}").unwrap_err(), "there is no network `nod`; did you mean `node`?");
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
    assert_eq!(render(endless).unwrap_err(), "the template takes more steps than one expansion may");
}

/// Runs in a thread with a stack as small as those that build and serve.
fn in_a_usual_thread<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(run);
    thread.expect("a thread starts").join().expect("it does not panic")
}

/// Returns texts that nest or chain one construct of the engine's language `count` times.
fn chains(count: usize) -> Vec<String> {
    // A line break after each, as the engine counts columns in 16 bits.
    let many = |text: &str| format!("{text}\n").repeat(count);
    let of = |start: &str, middle: &str, end: &str| format!("{start}{}{end}", many(middle));
    let both = |open: &str, inner: &str, close: &str| format!("{}{inner}{}", many(open), many(close));
    let in_tag = |text: String| format!("{{{{ {text} }}}}");

    vec![
        in_tag(of("", "-", "1")),
        in_tag(of("", "not ", "1")),
        in_tag(of("1", "+1", "")),
        in_tag(of("1", "~1", "")),
        in_tag(of("1", "*1", "")),
        in_tag(of("1", "**1", "")),
        in_tag(of("1", " and 1", "")),
        in_tag(of("1", " or 1", "")),
        in_tag(of("1", " < 1", "")),
        in_tag(of("1", " in [1]", "")),
        in_tag(of("vars", ".a", "")),
        in_tag(of("vars", "[0]", "")),
        in_tag(of("vars", "[1:2]", "")),
        in_tag(of("vars", "()", "")),
        in_tag(of("name", "|string", "")),
        in_tag(of("name", "|replace('a', 'b')", "")),
        in_tag(of("name", " is string", "")),
        in_tag(of("1", " if 1", "")),
        in_tag(of("1", " if 1 else 1", "")),
        in_tag(of("", "1 if 1 else ", "1")),
        in_tag(both("(", "1", ")")),
        in_tag(both("[", "1", "]")),
        in_tag(both("{1:", "1", "}")),
        in_tag(both("range(", "1", ")")),
        in_tag(both("-[", "1", "][0]")),
        in_tag(both("(1 if 1 else ", "1", ")")),
        in_tag(of("", "[", "")),
        in_tag(of("", "(1,", "")),
        of("{% set ", "(", "a = 1 %}"),
        of("{% set a", ".b", " = 1 %}"),
        of("{% filter string", "|string", " %}a{% endfilter %}"),
        both("{% if 1 %}", "a", "{% endif %}"),
        both("{% for x in [1] %}", "a", "{% endfor %}"),
        both("{% with a = 1 %}", "a", "{% endwith %}"),
        both("{% macro a(b) %}", "a", "{% endmacro %}"),
        both("{% call(x) m() %}", "a", "{% endcall %}"),
        both("{% set a %}", "a", "{% endset %}"),
        both("{% filter upper %}", "a", "{% endfilter %}"),
        both("{% autoescape false %}", "a", "{% endautoescape %}"),
        of("{% if 0 %}", "{% elif 0 %}", "{% endif %}"),
        both("{% if 0 %}{% elif 0 %}{% elif 0 %}", "a", "{% endif %}"),
        both("{% if 0 %}{% else %}", "a", "{% endif %}"),
        of("", "{% block a %}", ""),
        of("", "{% raw %}", ""),
        of("", "{{ 1 }}{% set a = 1 %}", ""),
        of("", "{#", ""),
        of("", "{{", ""),
        of("{{ 'a'", " 'a'", " }}"),
    ]
}

#[test]
fn no_chain_and_no_nesting_of_the_language_overflows_a_stack() {
    for count in [3, 30, 100, 250, 5_000, 60_000] {
        for (at, text) in chains(count).into_iter().enumerate() {
            let rendered = in_a_usual_thread(move || render(&text));
            let told = rendered.as_ref().err().map_or("", String::as_str);
            assert!(!told.contains("panic"), "{at}: {told}");
        }
    }
}

/// Templates whose values double, repeat or nest, with the reason of their refusal.
const GROWING: &[(&str, &str)] = &[
    (
        "{% set n = namespace(s=[1]) %}{% for i in range(40) %}{% set n.s = n.s + n.s %}{% endfor %}{{ n.s|length }}",
        "items",
    ),
    ("{% set n = namespace(s=[1]) %}{% for i in range(40) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s }}", "items"),
    ("{% set n = namespace(s=[1]) %}{% for i in range(9000) %}{% set n.s = [n.s] %}{% endfor %}{{ n.s }}", "deeper"),
    (
        "{% set n = namespace(s={}) %}{% for i in range(9000) %}{% set n.s = {'a': n.s} %}{% endfor %}{{ n.s }}",
        "deeper",
    ),
    (
        "{% set n = namespace(s=1) %}{% for i in range(9000) %}{% set n.s = dict(a=n.s) %}{% endfor %}{{ n.s }}",
        "deeper",
    ),
    ("{% set n = namespace() %}{% set n.s = n %}{{ n }}", "namespace"),
    ("{% set n = namespace() %}{% set n.s = [{'a': n}] %}{{ n }}", "namespace"),
    ("{% set n = namespace(s=[1]) %}{% for i in range(18000) %}{% set n.s = n.s + [1] %}{% endfor %}a", "steps"),
    ("{% macro m(x, n) %}{% if n %}{{ m(x + x, n - 1) }}{% endif %}{% endmacro %}{{ m([1], 60) }}", ""),
    ("{% macro m(x, n) %}{% if n %}{{ m([x, x], n - 1) }}{% else %}{{ x }}{% endif %}{% endmacro %}{{ m(1, 60) }}", ""),
    (
        "{% macro m(x, n) %}{% if n %}{{ m(dict(a=x, b=x), n - 1) }}{% else %}{{ x }}{% endif %}{% endmacro %}{{ m(1, 31) }}",
        "",
    ),
    ("{{ [1] * 99999999 }}", "items"),
    ("{{ ([[1] * 9999] * 9999) | string }}", "items"),
    ("{{ [1] * 9999 * 9999 ~ '' }}", "items"),
    ("{{ [[1] * 9999] * 9999 == [[1] * 9999] * 9999 }}", "items"),
    ("{{ 'x' * 99999999 }}", "steps"),
    ("{% set s = 'x' * 65537 %}", "a text of this template has more than 65536 bytes"),
    ("{% set s %}{% for i in range(9000) %}12345678{% endfor %}{% endset %}", "a text of this template has more than"),
    ("{% set l = ['x' * 60000] * 20 %}", "bytes of text"),
    ("{% set s = 'é' * 30000 %}{% for i in range(9000) %}{% if s[i + 20000] %}{% endif %}{% endfor %}", "steps"),
    ("{% set s = 'é' * 30000 %}{% for i in range(9000) %}{% if s[-i:i + 1] %}{% endif %}{% endfor %}", "steps"),
    (
        "{% set s = 'x' * 60000 %}{% set m = {s: 1} %}{% for i in range(9000) %}{% if m[s] %}{% endif %}{% endfor %}",
        "steps",
    ),
    ("{% set s = 'x' %}{% for i in range(40) %}{% endfor %}{{ ('x' * 9999) | replace('x', 'x' * 9999) }}", "steps"),
    ("{% for x in [[1]] * 9999 %}{% for y in x * 9999 %}{% endfor %}{% endfor %}", "steps"),
    ("{% for a in range(9000) recursive %}{{ loop([a, a]) }}{% endfor %}", ""),
];

#[test]
fn no_value_doubles_repeats_or_nests_without_an_end() {
    for (text, why) in GROWING {
        let error = in_a_usual_thread(|| render(text)).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
    let doubled: String = (0..40).map(|_| "{% set s = s + s %}").collect();
    assert!(render(&format!("{{% set s = [1] %}}{doubled}{{{{ s|length }}}}")).unwrap_err().contains("items"));
    let nested: String = (0..40).map(|_| "{% with s = [s, s] %}").collect();
    let text = format!("{{% set s = [1] %}}{nested}{{{{ s }}}}{}", "{% endwith %}".repeat(40));
    assert!(render(&text).unwrap_err().contains("items"));
}

#[test]
fn what_is_within_the_bounds_is_as_the_engine_alone_has_it() {
    let engine = environment(&Arc::from([]));
    let parts = [
        "{{ name ~ '-' ~ nid + 1 }}",
        "{{ nid * 2 + 1 if nid > 2 and not (nid is odd) else -nid * 3 }}",
        "{{ nid + 1 is not defined }}{{ 3 in [1, 2] + [3] }}{{ 3 not in [1] * 2 }}",
        "{% set l = [name, nid] + [1, 2, 3] %}{{ l }} {{ l[1:nid - 298] }} {{ l | join('-') }}",
        "{% set a, b = 1, [nid] -%}\n {{ a }}{{ b }}",
        "{% for k, v in {'a': nid, 'b': 2} | items %}{{ k }}{{ v + 1 }}{% else %}none{% endfor %}",
        "{% for x in [3, 1] | sort if x + 1 > 2 recursive %}{{ x }}{% endfor %}",
        "{% macro m(x, y=[1] + [2], z=3) %}{{ x }}{{ y }}{{ z }}{% endmacro %}{{ m(nid + 1, z=[nid]) }}{{ m(*[1, 2]) }}",
        "{% macro w(n) %}{{ caller(n + 1) }}{% endmacro %}{% call(q) w(nid * 2) %}{{ q }}{% endcall %}",
        "{% with x = nid + 1, y = [x, x] %}{{ y }}{% endwith %}",
        "{% set n = namespace(t='', s=[]) %}{% for i in range(3) %}{% set n.t = n.t ~ i %}{% set n.s = n.s + [i] %}{% endfor %}{{ n.t }}{{ n.s }}",
        "{% set x = [nid] if nid < 0 %}{{ x is defined }}",
        "{{ 2 ** 3 * 2 }}{{ 'ab' * 3 }}{{ (1, nid) + (2,) }}{{ {'a': [nid, {'b': nid + 1}]} }}",
        "{% filter replace(nid ~ '', 'n' + 'm') %}{{ nid }}{% endfilter %}{{ dict(a=nid + 1).a }}",
        "{{ nmae + 1 }}",
        "{{ nmae[0] }}",
        "{{ nmae[1:] }}",
        "{{ name[::-1] }}{{ name[-1] }}{{ name[1:][nid - 300:2:1] }}{{ {'a': [nid]}['a'][-1] }}{{ (name ~ nid)[2] }}",
        "{% for i in range(7, -8, -3) %}{{ loop.cycle('a', name) }}{{ i }}{% endfor %}{{ range(3)[2] }}{{ range(1, 9, 4) | list }}",
        "{% for x in [[1, 2], [3]] %}{{ x[0] }}{% if x[1:] == [2] %}!{% elif (x)[0] is eq 3 %}?{% endif %}{% endfor %}",
        "{% set text %}{{ name }}-{{ nid }}{% endset %}{{ text[:1] }}{{ text | length }}{{ 'a' 'b'[1] }}",
        "{{ range(1, 2, 0) }}",
        "{{ range(100001) }}",
        "{{ [1] + 1 }}",
        "{% set x = %}",
    ];

    for text in parts {
        let scope = || context! { nid => 300, name => "a&b" };
        let alone = engine.render_named_str("test", text, scope()).map_err(|error| reason(&error));
        let guarded = super::render(&engine, "test", text, scope()).map_err(|error| reason(&error));
        assert_eq!(guarded, alone, "{text}");
    }
}

#[test]
fn an_error_is_where_it_was_written() {
    let text = "{% set n = namespace(a=[1]) %}\n{{ nid + 1 }}{% set n.a = n.a + [nmae ~ ''] %}\n";
    let error = super::render(&environment(&Arc::from([])), "test", text, context! { nid => 1 }).unwrap_err();
    let place = place_of(text, &error).unwrap();
    assert!(text[place].contains("nmae"));
    let error = super::render(&environment(&Arc::from([])), "test", GROWING[0].0, ()).unwrap_err();
    assert_eq!(&GROWING[0].0[place_of(GROWING[0].0, &error).unwrap()], "n.s + n.s");
}

/// Values at the limits of the engine's numbers, and values of each other kind.
const ENDS: [&str; 34] = [
    "0",
    "1",
    "-1",
    "2",
    "7",
    "255",
    "-129",
    "65536",
    "2147483647",
    "-2147483648",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "170141183460469231731687303715884105727",
    "(-170141183460469231731687303715884105727 - 1)",
    "340282366920938463463374607431768211455",
    "0.0",
    "-0.5",
    "1e308",
    "-1e308",
    "(1e308 * 10)",
    "(1e308 * 10 - 1e308 * 10)",
    "true",
    "none",
    "nmae",
    "''",
    "'a'",
    "'é\\u{1F600} %s {}'",
    "('é' * 9000)",
    "[]",
    "[1, 'a', [none]]",
    "{'a': 1, 'b': {}}",
    "range(3)",
];

/// The functions, filters and tests of the engine, each with the most arguments that it accepts,
/// and a few methods.
const CALLS: [&str; 96] = [
    "{a}|abs",
    "{a}|attr({b})",
    "{a}|batch({b}, {c})",
    "{a}|bool",
    "{a}|capitalize",
    "{a}|chain({b})",
    "{a}|count",
    "{a}|default({b}, {c})",
    "{a}|dictsort(by={b}, reverse={c})",
    "{a}|escape",
    "{a}|first",
    "{a}|float({b})",
    "{a}|format({b}, {c})",
    "'%{b}d %{c}s'|format({a}, {a})",
    "'%.*f %*d'|format({a}, {b}, {c}, {b})",
    "'%c %x %o'|format({a}, {b}, {c})",
    "'%(k)s'|format(k={a})",
    "{a}|groupby({b})",
    "{a}|groupby(attribute={b}, default={c})",
    "{a}|indent({b}, {c}, {c})",
    "{a}|int({b}, {c})",
    "{a}|items",
    "{a}|join({b})",
    "{a}|last",
    "{a}|length",
    "{a}|lines",
    "{a}|list",
    "{a}|lower",
    "{a}|map({b})|list",
    "{a}|map(attribute={b}, default={c})|list",
    "{a}|max",
    "{a}|min",
    "{a}|pprint",
    "{a}|reject({b})|list",
    "{a}|rejectattr({b}, {c})|list",
    "{a}|replace({b}, {c})",
    "{a}|reverse",
    "{a}|round({b}, {c})",
    "{a}|round({b}, 'floor')",
    "{a}|round({b})",
    "{a}|safe",
    "{a}|select({b})|list",
    "{a}|selectattr({b}, {c})|list",
    "{a}|slice({b}, {c})|list",
    "{a}|sort(reverse={b}, attribute={c})",
    "{a}|split({b}, {c})",
    "{a}|string",
    "{a}|sum",
    "{a}|title",
    "{a}|trim({b})",
    "{a}|unique",
    "{a}|upper",
    "{a}|zip({b}, {c})|list",
    "range({a}, {b}, {c})|list",
    "range({a})|list",
    "range({a}, {b})[{c}]",
    "dict({a}, k={b})",
    "namespace({a})",
    "net({a})",
    "net('node')|host({a})",
    "{a}[{b}]",
    "{a}[{b}:{c}]",
    "{a}[{b}::{c}]",
    "{a}[::{b}]",
    "{a}[:{b}:{c}]",
    "({a} ~ {b})[{c}]",
    "{a} + {b}",
    "{a} - {b}",
    "{a} * {b}",
    "{a} / {b}",
    "{a} // {b}",
    "{a} % {b}",
    "{a} ** {b}",
    "-{a}",
    "not {a}",
    "{a} ~ {b}",
    "{a} in {b}",
    "{a} == {b}",
    "{a} < {b} < {c}",
    "{a} if {b} else {c}",
    "{a} is divisibleby({b})",
    "{a} is odd",
    "{a} is even",
    "{a} is in({b})",
    "{a} is sameas({b})",
    "{a} is lt({b})",
    "{a} is eq({b})",
    "{a} is startingwith({b})",
    "{a} is endingwith({b})",
    "{a} is number",
    "{a} is filter",
    "{a} is test",
    "{a}.b.c",
    "{a}({b})",
    "{a}.cycle({b})",
    "{a} * {b} * {c}",
];

/// Statements around an expression, for values that only they produce.
const STATEMENTS: [&str; 6] = [
    "{{ @ }}",
    "{% for x in @ %}{{ loop.cycle(x, 1) }}{{ loop.revindex }}{{ loop.changed(x) }}{% endfor %}",
    "{% set n = namespace(k=1) %}{% set n.k = @ %}{{ n.k }}",
    "{% set t | string %}{{ @ }}{% endset %}{{ t[-1] }}{{ t[:2:-1] }}",
    "{% macro m(x=1, y=2) %}{{ x }}{{ y }}{% endmacro %}{{ m(@) }}",
    "{% filter upper %}{{ @ }}{% endfilter %}{% with y = @ %}{{ y }}{% endwith %}",
];

/// The most output, in bytes, that the fuel of one expansion pays for.
const MOST_OUTPUT: usize = FUEL as usize * 64;

#[test]
fn no_argument_of_any_kind_or_size_makes_the_engine_panic() {
    let panicked = in_a_usual_thread(|| {
        let mut panicked = Vec::new();
        let engine = engine();
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = move |below: usize| {
            // Plain xorshift: the combinations of values are random, and the same in each run.
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        for call in CALLS {
            let needs = ["{a}", "{b}", "{c}"].iter().filter(|hole| call.contains(**hole)).count();
            // Every value for the first two arguments, each with some of the others.
            for first in ENDS.iter().flat_map(|end| std::iter::repeat_n(end, if needs > 1 { 6 } else { 1 })) {
                for is_swapped in if needs > 1 { &[false, true][..] } else { &[false] } {
                    let second = &ENDS[next(ENDS.len())];
                    let (a, b) = if *is_swapped { (second, first) } else { (first, second) };
                    let filled = call.replace("{a}", a).replace("{b}", b);
                    let expression = filled.replace("{c}", ENDS[next(ENDS.len())]);
                    let text = STATEMENTS[next(STATEMENTS.len())].replace('@', &expression);
                    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| render_with(&engine, &text))) {
                        Ok(Ok(rendered)) => assert!(rendered.len() <= MOST_OUTPUT, "{text}: {}", rendered.len()),
                        Ok(Err(error)) => assert!(error.len() < 4096, "{text}: {error:.200}"),
                        Err(_) => panicked.push(text),
                    }
                }
            }
        }
        panicked
    });

    assert!(panicked.is_empty(), "{} of them: {:#?}", panicked.len(), &panicked[..panicked.len().min(20)]);
}

#[test]
fn what_a_loop_cycles_through_is_there() {
    assert!(render("{{ name[nmae] }}").unwrap_err().contains("undefined"));
    for text in [
        "{{ loop.cycle() }}",
        "{{ loop.cycle(*a) }}",
        "{{ loop . cycle ( ) }}",
        "{% if loop.cycle(*[], **b) %}{% endif %}",
    ] {
        let text = format!("{{% set l = [1] %}}{{% for x in [1] %}}{text}{{% endfor %}}");
        let error = in_a_usual_thread(move || render(&text)).unwrap_err();
        assert_eq!(error, "`cycle` needs what it cycles through: loop.cycle('a', 'b')");
    }
}

#[test]
fn nothing_prints_what_the_engine_holds() {
    assert!(render("{{ debug() }}").unwrap_err().contains("debug"));
}
