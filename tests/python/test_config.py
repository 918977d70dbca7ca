"""The table of options and what is made from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from freastal import _core, config, proxies
from freastal.addresses import FdAddress, TcpAddress, UnixAddress, parse_address
from freastal.config import Config, ConfigError, parse_target
from freastal.options import OPTIONS, Kind, Option

ROWS = list(OPTIONS.values())
ADDRESS_OPTIONS = {"bind", "host", "port", "uds", "fd"}

FIELDS = dict.fromkeys(ADDRESS_OPTIONS, "bind")

COMPANIONS = {
    "keyfile": ["--certfile", "c"],
    "keyfile_password": ["--certfile", "c"],
    "ocsp_file": ["--certfile", "c"],
    "client_ca": ["--certfile", "c", "--client-verify", "required"],
    "client_verify": ["--certfile", "c", "--client-ca", "a"],
}
"""What an option cannot be without."""

WRONG_TEXTS = {
    Kind.TEXT: ["a\nb", "\x1b[2J"],
    Kind.INT: [
        *["", "ten", "1.5", "0x10", "1 2", "-1", str(2**64), "9" * 5000],
        *["1_0", "+4", " 5", "٥"],
    ],
    Kind.SECONDS: ["", "soon", "-0.001", "nan", "inf", "31622400.1", "1s", "1e3", "1_0", " 5"],
    Kind.SWITCH: ["", "maybe", "2", "yess"],
    Kind.MODE: ["", "rw", "8", "-1", "1000", "0x1", "0o600"],
    Kind.PATH: ["", "api", "http://a/", "/a\nb"],
    Kind.ADDRESSES: [
        *["", "host", "host:", "h:x", "h:65536", "h:-1", "::1:80", "[h]:80", "unix:"],
        *["a\nb:80", "unix:a\x7fb", "unix:@", "fd://", "fd://x", "fd://-1", "fd://٣"],
        *["fd://1048577", "fd://" + "9" * 5000],
    ],
    Kind.TEXTS: ["a\nb", "\x1b[2J"],
    Kind.PEERS: [
        *["", "localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08"],
        *["10.0.0.0/255.0.0.0", "[::1]", "::/129", "fe80::1%lo", "127.0.0.1:80", "10.0.0\n.1"],
        *["1.2.3.04", "all", "unix:", "10.0.0.0/٨", "16909060"],
    ],
    Kind.TARGET: ["", "healthz", "/a?b", "/a#b", "/a b", "/é", "/a\n"],
}

WRONG_VALUES: dict[Kind, list[object]] = {
    Kind.TEXT: ["", 1, "a\0b", "a\nb"],
    Kind.INT: ["1", 1.0, True, -1],
    Kind.SECONDS: ["1", True, -1, float("nan")],
    Kind.SWITCH: ["yes", 1, 0],
    Kind.MODE: ["660", -1, 0o1000],
    Kind.PATH: ["", "api", 1, b"/api", "/\0"],
    Kind.ADDRESSES: [[], 80, ["host"], [80], [None], [b"h:1"], "unix:"],
    Kind.TEXTS: ["", [], 1, [""], [1], ["a", "a\0b"], b"a"],
    Kind.PEERS: ["", [], 1, [1], ["*", "a"], b"*", [b"*"]],
    Kind.TARGET: ["", "a", 1, b"/a", "/a\0"],
}


def wrong_texts(row: Option) -> list[str]:
    if row.choices:
        first = row.choices[0]
        return ["", "nothing", first + " "] + ([first.upper()] if first.upper() != first else [])
    if row.kind in (Kind.INT, Kind.SECONDS):
        beyond = [f"{row.maximum + 1:.0f}"]
        below = [f"{row.minimum - 1:.0f}"]
        return WRONG_TEXTS[row.kind] + beyond + below
    return WRONG_TEXTS[row.kind] or [""]


def shown(row: Option, text: str) -> str:
    """The value in a message."""
    return "***" if row.name == "keyfile_password" else repr(text)


def from_command_line(*arguments: str) -> Config:
    return config.resolve(config.from_arguments(config.make_parser().parse_args(arguments)))


def combine(arguments: Sequence[str] = (), environ: dict[str, str] | None = None) -> Config:
    return config.resolve(
        config.from_arguments(config.make_parser().parse_args(arguments)),
        config.from_environment(environ or {}),
    )


def one_line(error: pytest.ExceptionInfo[ConfigError]) -> str:
    text = str(error.value)
    assert len(text.splitlines()) == 1
    return text


class TestTable:
    def test_fields_of_config_are_the_rows(self) -> None:
        fields = {field.name for field in dataclasses.fields(Config)}
        assert fields == OPTIONS.keys() - (ADDRESS_OPTIONS - {"bind"}) | {"hooks"}

    @pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
    def test_defaults_are_allowed_and_survive_being_written(self, row: Option) -> None:
        if row.default in ("", (), None):
            optional = {
                *("root_path", "client_ca", "tls_ciphers", "tls_ciphersuites", "reuse_port"),
                *("health_path", "config", "env_file", "chdir"),
            }
            optional |= {"access_log", "access_logfile", "log_config", "metrics"}
            optional |= {"uds_owner", "uds_group", "user", "group", "umask", "pid", "proc_name"}
            assert row.kind is Kind.TEXTS or row.name in ADDRESS_OPTIONS | optional
        else:
            assert row.check(row.default, "") == row.default
            assert row.read(row.text_of(row.default), "") == row.default

    def test_core_rows_are_those_of_the_core(self) -> None:
        types = {Kind.INT: "int", Kind.SECONDS: "float", Kind.SWITCH: "bool"}
        ours = [
            (row.name, types[row.kind], row.default, row.minimum, row.maximum)
            for row in ROWS
            if row.core
        ]
        theirs = [
            (row["name"], row["type"], row["default"], row["minimum"], row["maximum"])
            for row in _core.OPTIONS
        ]
        assert sorted(ours) == sorted(theirs)

    @pytest.mark.parametrize("interface", ["wsgi", "asgi"])
    def test_core_options_are_the_core_rows_with_their_types(self, interface: str) -> None:
        options = combine(["--timeout-body", "5"]).core_options(interface)
        rows = {row["name"] for row in _core.OPTIONS}
        idle = {name for name in rows if OPTIONS[name].interface not in ("", interface)}
        assert ("threads" in idle) == (interface == "asgi")
        assert options.keys() == rows - idle
        assert isinstance(options["timeout_body"], float)
        assert isinstance(options["limit_request_body"], int)

    def test_options_that_mean_nothing_to_the_interface(self) -> None:
        found = combine(["--threads", "2", "--root-path", "/a", "--workers", "2", "--loop=auto"])
        assert found.idle_options("wsgi") == ["--root-path"]
        assert found.idle_options("asgi") == ["--threads"]


class TestPrecedence:
    def test_defaults(self) -> None:
        found = combine()
        for row in ROWS:
            if row.name not in ADDRESS_OPTIONS:
                assert getattr(found, row.name) == row.default
        assert found.bind == (TcpAddress("127.0.0.1", 8000),)

    @pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
    def test_environment_is_read_and_the_command_line_wins(self, row: Option) -> None:
        if row.name in ADDRESS_OPTIONS or row.name == "metrics":
            first, second = {
                "bind": ("a:1", "b:2"),
                "host": ("a", "b"),
                "port": ("1", "2"),
                "uds": ("a", "b"),
                "fd": ("3", "4"),
                "metrics": ("a:1", "b:2"),
            }[row.name]
            flags = [row.flag, second]
        elif row.name == "client_verify":
            first, flags = "optional", [row.flag, "required"]
        elif row.kind is Kind.SWITCH:
            first = "off" if row.default else "on"
            flags = [row.flag if row.default else f"--no-{row.flag[2:]}"]
        elif row.choices:
            first, second = row.choices[-1], row.choices[0]
            flags = [row.flag, second]
        elif row.kind in (Kind.TEXT, Kind.TEXTS):
            first, flags = "a", [row.flag, "b"]
        elif row.kind in (Kind.PATH, Kind.TARGET):
            first, flags = "/a", [row.flag, "/b"]
        elif row.kind is Kind.PEERS:
            first, flags = "10.0.0.0/8, unix", [row.flag, "*"]
        else:
            number = float if row.kind is Kind.SECONDS else int
            first = row.text_of(number(row.maximum))
            flags = [row.flag, row.text_of(number(row.minimum))]
        environ = {row.variables[0]: first}
        others = COMPANIONS.get(row.name, [])
        from_environment = combine(others, environ)
        assert getattr(from_environment, FIELDS.get(row.name, row.name)) != row.default
        flags = flags + others
        assert combine(flags, environ) == combine(flags) != from_environment

    def test_an_empty_variable_is_not_set(self) -> None:
        assert combine([], {name: "" for row in ROWS for name in row.variables}) == combine()

    def test_web_concurrency(self) -> None:
        assert combine([], {"WEB_CONCURRENCY": "3"}).workers == 3
        assert combine([], {"WEB_CONCURRENCY": "3", "FREASTAL_WORKERS": "4"}).workers == 4

    def test_a_layer_between(self) -> None:
        file = config.from_keywords({"workers": 5, "threads": 5, "backlog": 5})
        parser = config.make_parser()
        arguments = config.from_arguments(parser.parse_args(["--workers", "6"]))
        environment = config.from_environment({"FREASTAL_THREADS": "4", "FREASTAL_WORKERS": "9"})
        found = config.resolve(arguments, environment, file)
        assert (found.workers, found.threads, found.backlog) == (6, 4, 5)

    def test_short_flags(self) -> None:
        assert from_command_line("-w", "2", "-b", "unix:a", "-b", "h:1") == from_command_line(
            "--workers", "2", "--bind", "unix:a", "--bind", "h:1"
        )


class TestAddresses:
    @pytest.mark.parametrize(
        ("text", "address"),
        [
            ("localhost:80", TcpAddress("localhost", 80)),
            ("127.0.0.1:0", TcpAddress("127.0.0.1", 0)),
            (":8000", TcpAddress("0.0.0.0", 8000)),
            ("[::]:65535", TcpAddress("::", 65535)),
            ("[fe80::1%eth0]:1", TcpAddress("fe80::1%eth0", 1)),
            ("unix:/run/a:b.sock", UnixAddress("/run/a:b.sock")),
            ("unix:a", UnixAddress("a")),
            ("unix:@a", UnixAddress("@a")),
            ("fd://3", FdAddress(3)),
        ],
    )
    def test_forms(self, text: str, address: object) -> None:
        assert parse_address(text) == address
        assert from_command_line("--bind", text).bind == (address,)

    @pytest.mark.parametrize("text", WRONG_TEXTS[Kind.ADDRESSES])
    def test_other_forms(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"names no|ambiguous|brackets|control"):
            parse_address(text)

    @pytest.mark.parametrize("text", ["localhost:80", "[::1]:80", "unix:/a", "unix:@a", "fd://3"])
    def test_are_written_as_they_are_read(self, text: str) -> None:
        assert str(parse_address(text)) == text

    @pytest.mark.parametrize(
        ("arguments", "environ", "texts"),
        [
            (["--host", "::1"], {}, ["[::1]:8000"]),
            (["--host", "[::1]"], {}, ["[::1]:8000"]),
            (["--port", "9"], {}, ["127.0.0.1:9"]),
            (["--host", "h", "--port", "9"], {}, ["h:9"]),
            (["--host", "h"], {"FREASTAL_PORT": "9"}, ["h:9"]),
            (["--uds", "a"], {"FREASTAL_PORT": "9"}, ["unix:a"]),
            (["--fd", "3"], {"FREASTAL_UDS": "a"}, ["fd://3"]),
            (["--bind", "h:1"], {"FREASTAL_PORT": "9", "FREASTAL_HOST": "g"}, ["h:1"]),
            (["--bind", "h:1"], {"FREASTAL_BIND": "g:2"}, ["h:1"]),
            (["--port", "9"], {"FREASTAL_BIND": "g:2"}, ["127.0.0.1:9"]),
            (["--port", "9"], {"FREASTAL_UDS": "a"}, ["127.0.0.1:9"]),
            ([], {"FREASTAL_BIND": "g:2, unix:a,[::]:3"}, ["g:2", "unix:a", "[::]:3"]),
        ],
    )
    def test_the_strongest_place_decides(
        self, arguments: list[str], environ: dict[str, str], texts: list[str]
    ) -> None:
        assert [str(each) for each in combine(arguments, environ).bind] == texts

    @pytest.mark.parametrize(
        ("arguments", "environ", "names"),
        [
            (["--bind", "h:1", "--port", "2"], {}, ["--bind", "--port"]),
            (["--bind", "h:1", "--uds", "a"], {}, ["--bind", "--uds"]),
            (["--uds", "a", "--host", "h"], {}, ["--uds", "--host"]),
            (["--fd", "3", "--port", "1"], {}, ["--fd", "--port"]),
            (
                [],
                {"FREASTAL_BIND": "h:1", "FREASTAL_PORT": "2"},
                ["FREASTAL_BIND", "FREASTAL_PORT"],
            ),
        ],
    )
    def test_two_ways_in_one_place_contradict(
        self, arguments: list[str], environ: dict[str, str], names: list[str]
    ) -> None:
        with pytest.raises(ConfigError) as error:
            combine(arguments, environ)
        assert all(name in one_line(error) for name in names)


class TestTls:
    def test_repeated_in_the_environment_by_commas(self) -> None:
        found = combine([], {"FREASTAL_CERTFILE": "a, b", "FREASTAL_KEYFILE": "c,d"})
        assert (found.certfile, found.keyfile) == (("a", "b"), ("c", "d"))
        assert found.secure

    def test_one_text_is_a_list_of_one(self) -> None:
        found = config.resolve(config.from_keywords({"certfile": "a", "keyfile": ["b"]}))
        assert (found.certfile, found.keyfile) == (("a",), ("b",))

    @pytest.mark.parametrize(
        ("alias", "flag"),
        [
            ("--ssl-certfile", "--certfile"),
            ("--ssl-keyfile", "--keyfile"),
            ("--ssl-keyfile-password", "--keyfile-password"),
        ],
    )
    def test_names_of_others(self, alias: str, flag: str) -> None:
        other = ["--certfile", "c"] if flag != "--certfile" else []
        assert combine([alias, "a", *other]) == combine([flag, "a", *other])

    def test_one_password_is_for_all_keys(self) -> None:
        found = combine(["--certfile=a", "--certfile=b", "--keyfile-password=p"])
        assert found.keyfile_password == ("p",)

    @pytest.mark.parametrize(
        ("arguments", "names"),
        [
            (["--keyfile=a"], ["--keyfile is given 1 times", "--certfile 0 times"]),
            (
                ["--certfile=a", "--certfile=b", "--keyfile=c"],
                ["--keyfile is given 1", "--certfile 2"],
            ),
            (
                ["--certfile=a", "--ocsp-file=b", "--ocsp-file=c"],
                ["--ocsp-file is given 2", "--certfile 1"],
            ),
            (["--keyfile-password=p"], ["--keyfile-password is given 1", "--certfile 0"]),
            (
                [*["--certfile=a"] * 3, *["--keyfile-password=p"] * 2],
                ["--keyfile-password is given 2", "--certfile 3"],
            ),
            (["--client-ca=a"], ["--client-ca", "--certfile"]),
            (["--client-ca=a", "--certfile=b"], ["--client-verify is none", "optional"]),
            (["--client-verify=optional"], ["--client-verify is optional", "--client-ca"]),
        ],
    )
    def test_what_does_not_go_together(self, arguments: list[str], names: list[str]) -> None:
        with pytest.raises(ConfigError) as error:
            combine(arguments)
        assert all(name in one_line(error) for name in names)


class TestProxies:
    def test_lists_are_parted_by_commas_everywhere(self) -> None:
        words = ("10.0.0.0/8", "::1", "unix")
        flag = from_command_line("--forwarded-allow-ips", "10.0.0.0/8,::1, unix")
        repeated = ("--forwarded-allow-ips", "10.0.0.0/8", "--forwarded-allow-ips", "::1,unix")
        variable = combine([], {"FORWARDED_ALLOW_IPS": "10.0.0.0/8, ::1,unix"})
        keyword = config.resolve(
            config.from_keywords({"forwarded_allow_ips": "10.0.0.0/8,::1,unix"})
        )
        for found in (flag, from_command_line(*repeated), variable, keyword):
            assert found.forwarded_allow_ips == words

    @pytest.mark.parametrize("text", [",", "10.0.0.1,", "10.0.0.1,,::1"])
    def test_an_empty_word_is_wrong(self, text: str) -> None:
        with pytest.raises(ConfigError, match=r"^wrong value for --proxy-allow-from: '' "):
            from_command_line("--proxy-allow-from", text)

    def test_a_network_with_an_address_is_told_both(self) -> None:
        with pytest.raises(ConfigError) as error:
            from_command_line("--proxy-allow-from", "*,10.0.0.1/8")
        assert one_line(error) == (
            "wrong value for --proxy-allow-from: '10.0.0.1/8' (allowed: the network 10.0.0.0/8, "
            "or the address 10.0.0.1)"
        )

    def test_every_word_is_one_of_the_core(self) -> None:
        words = ["*", "unix", "0.0.0.0/0", "::/0", "10.0.0.0/8", "::ffff:10.0.0.0/104", "1.2.3.4"]
        found = from_command_line("--forwarded-allow-ips", ",".join([*words, "2001:DB8::/33"]))
        core = proxies.core_options(found)
        _core.Worker(str, [], proxy_headers=True, **core).close()

    @pytest.mark.parametrize("word", ["", "localhost", "10.0.0.1/8", "10.0.0.0/08", "::1%lo", "é"])
    def test_the_core_refuses_the_same(self, word: str) -> None:
        for name in ("forwarded_allow_ips", "proxy_allow_from"):
            with pytest.raises(ValueError, match=f"^{name} has "):
                _core.Worker(str, [], **{name: ["::1", word]})  # type: ignore[arg-type]

    def test_other_arguments_of_the_core(self) -> None:
        with pytest.raises(ValueError, match="allowed is auto, x-forwarded or forwarded"):
            _core.Worker(str, [], forwarded_kind="both")
        with pytest.raises(TypeError):
            _core.Worker(str, [], forwarded_allow_ips=1)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"^proxy_allow_from has b'::1'"):
            _core.Worker(str, [], proxy_allow_from=[b"::1"])  # type: ignore[list-item]

    @pytest.mark.parametrize(
        ("arguments", "lines"),
        [
            ([], []),
            (["--forwarded-allow-ips=*"], []),
            (
                ["--proxy-headers"],
                ["trusted proxies: Forwarded or X-Forwarded-* of 127.0.0.1, ::1, unix"],
            ),
            (
                ["--proxy-headers", "--forwarded-kind=forwarded", "--forwarded-host"],
                ["trusted proxies: Forwarded of 127.0.0.1, ::1, unix, with the host"],
            ),
            (
                [
                    *("--proxy-headers", "--forwarded-kind=x-forwarded"),
                    *("--forwarded-allow-ips=*", "--proxy-protocol"),
                    "--proxy-allow-from=10.0.0.0/8",
                ],
                ["trusted proxies: X-Forwarded-* of *; PROXY protocol of 10.0.0.0/8"],
            ),
        ],
    )
    def test_the_start_says_what_is_trusted(self, arguments: list[str], lines: list[str]) -> None:
        assert proxies.summary(from_command_line(*arguments)) == lines

    def test_options_without_the_one_they_are_for(self) -> None:
        found = combine(["--proxy-allow-from=*"], {"FORWARDED_ALLOW_IPS": "*"})
        assert proxies.idle_options(found) == [
            ("--forwarded-allow-ips", "--proxy-headers"),
            ("--proxy-allow-from", "--proxy-protocol"),
        ]
        found = combine(["--proxy-headers", "--forwarded-host", "--forwarded-allow-ips=*"])
        assert proxies.idle_options(found) == []


class TestWrongValues:
    @pytest.mark.parametrize(
        ("row", "text"),
        [(row, text) for row in ROWS if row.kind is not Kind.SWITCH for text in wrong_texts(row)],
        ids=lambda each: each.name if isinstance(each, Option) else repr(each)[:20],
    )
    def test_on_the_command_line(self, row: Option, text: str) -> None:
        with pytest.raises(ConfigError) as error:
            from_command_line(f"{row.flag}={text}")
        line = one_line(error)
        assert line.startswith(f"wrong value for {row.flag}: {shown(row, text)} (allowed: ")
        assert row.allowed in line

    @pytest.mark.parametrize(
        ("row", "text"),
        [(row, text) for row in ROWS for text in wrong_texts(row) if text],
        ids=lambda each: each.name if isinstance(each, Option) else repr(each)[:20],
    )
    def test_in_the_environment(self, row: Option, text: str) -> None:
        for name in row.variables:
            with pytest.raises(ConfigError) as error:
                config.from_environment({name: text})
            line = one_line(error)
            assert line.startswith(f"wrong value for {name}: {shown(row, text)} (allowed: ")
            assert row.allowed in line

    @pytest.mark.parametrize(
        ("row", "value"),
        [(row, value) for row in ROWS for value in WRONG_VALUES[row.kind]],
        ids=lambda each: each.name if isinstance(each, Option) else repr(each),
    )
    def test_in_keywords(self, row: Option, value: object) -> None:
        with pytest.raises(ConfigError) as error:
            config.from_keywords({row.name: value})
        assert one_line(error).startswith(f"wrong value for {row.name}: ")
        assert row.allowed in str(error.value)

    def test_unprintable_values_stay_on_one_line(self) -> None:
        with pytest.raises(ConfigError) as error:
            from_command_line("--workers", "1\n\x1b[2J")
        assert "\\n\\x1b[2J" in one_line(error)

    @pytest.mark.parametrize("arguments", [["--nothing"], ["--port"], ["a", "b"], ["--work", "2"]])
    def test_what_the_parser_finds(self, arguments: list[str]) -> None:
        with pytest.raises(ConfigError) as error:
            from_command_line(*arguments)
        assert any(argument in one_line(error) for argument in arguments)


@pytest.mark.parametrize(
    ("text", "path"),
    [("/api", "/api"), ("/api/", "/api"), ("/a/b//", "/a/b"), ("/", ""), ("//", ""), ("/ä", "/ä")],
)
def test_a_path_has_no_slash_at_its_end(text: str, path: str) -> None:
    assert from_command_line("--root-path", text).root_path == path
    assert config.resolve(config.from_keywords({"root_path": text})).root_path == path


def test_what_is_preloaded_is_not_reloaded() -> None:
    with pytest.raises(ConfigError) as error:
        from_command_line("--preload", "--reload")
    assert one_line(error).startswith("--preload and --reload are both given (allowed: one")


def test_passwords_are_the_secrets() -> None:
    assert [row.name for row in ROWS if row.secret] == ["keyfile_password"]


class TestUnknownNames:
    @pytest.mark.parametrize(
        ("name", "end"),
        [
            ("wokers", " (did you mean workers?)"),
            ("max_requests", " (did you mean limit_max_requests?)"),
            ("ssl_keyfile", " (did you mean keyfile?)"),
            ("zzz", ": see docs/OPTIONS.md"),
        ],
    )
    def test_keywords(self, name: str, end: str) -> None:
        with pytest.raises(TypeError) as error:
            config.from_keywords({name: 2})
        assert str(error.value) == f"there is no option {name!r}{end}"

    @pytest.mark.parametrize(
        ("arguments", "line"),
        [
            (["--wokers", "2"], "there is no option '--wokers' (did you mean --workers?)"),
            (["--wokers=2", "m"], "there is no option '--wokers' (did you mean --workers?)"),
            (["--no-reloads"], "there is no option '--no-reloads' (did you mean --no-reload?)"),
            (["--no-worker"], "there is no option '--no-worker' (did you mean --workers?)"),
            (["--acces_log"], "there is no option '--acces_log' (did you mean --access-log?)"),
            (
                ["--max-request", "1"],
                "there is no option '--max-request' (did you mean --limit-max-requests?)",
            ),
            (
                ["--checkconfig"],
                "there is no option '--checkconfig' (did you mean --check-config?)",
            ),
            (["--versio"], "there is no option '--versio' (did you mean --version?)"),
            (["--zzz"], "there is no option '--zzz'"),
            (["-z"], "there is no option '-z'"),
            (["a", "b"], "there is an argument too many: 'b'"),
        ],
    )
    def test_flags(self, arguments: list[str], line: str) -> None:
        with pytest.raises(ConfigError) as error:
            from_command_line(*arguments)
        assert str(error.value) == line

    def test_variables(self) -> None:
        environ = {
            **dict.fromkeys(("FREASTAL_WOKERS", "FREASTAL_ZZZ", "FREASTAL_DEBUG_COUNTERS"), "1"),
            **dict.fromkeys(("FREASTAL_TLS", "FREASTAL_APP", "freastal_port", "FREASTALX"), "1"),
            **dict.fromkeys(("FREASTAL_MAX_REQUESTS", "PORT"), ""),
            **{name: "" for row in ROWS for name in row.variables},
        }
        assert config.unknown_variables(environ) == [
            "FREASTAL_MAX_REQUESTS is no option (did you mean FREASTAL_LIMIT_MAX_REQUESTS?)",
            "FREASTAL_WOKERS is no option (did you mean FREASTAL_WORKERS?)",
            "FREASTAL_ZZZ is no option",
        ]


@pytest.mark.parametrize(
    ("target", "parts"),
    [("m", ("m", "")), ("p.m:a", ("p.m", "a")), ("m:a.b", ("m", "a.b")), ("über:f", ("über", "f"))],
)
def test_applications(target: str, parts: tuple[str, str]) -> None:
    assert parse_target(target) == parts


@pytest.mark.parametrize("target", ["", ":a", "m:", "m:a:b", "m..n", "m:a.", "m:f()", "a/b.py"])
def test_wrong_applications(target: str) -> None:
    with pytest.raises(ConfigError, match="module"):
        parse_target(target)


def test_help_shows_every_option() -> None:
    text = config.make_parser().format_help()
    for row in ROWS:
        assert row.flag in text
        assert row.default in (
            "",
            (),
            None,
        ) or f"(default: {row.text_of(row.default)})" in " ".join(text.split())
