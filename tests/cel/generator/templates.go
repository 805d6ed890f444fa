package main

// What expressions are made of: for each type, ways to write a value of it. A hole {type} is filled with an
// expression of that type; {x:type} with a new variable, which the holes behind it may use as a value of that type.
//
// Types: those of CEL by their names, and list, strings, doubles, nested (a list of lists), map (string to int), imap (int to
// string), optional (of an int), ip, cidr; any is one of all those that a case can hold.
var templates = map[string][]string{
	"bool": {
		"{int} == {int}", "{int} != {int}", "{int} < {int}", "{int} <= {int}", "{int} > {int}", "{int} >= {int}",
		"{uint} == {uint}", "{uint} < {uint}", "{uint} >= {uint}", "{double} == {double}", "{double} != {double}",
		"{double} < {double}", "{double} >= {double}", "{int} == {uint}", "{int} < {uint}", "{uint} > {int}",
		"{int} == {double}", "{int} < {double}", "{double} <= {int}", "{uint} < {double}", "{double} > {uint}",
		"{string} == {string}", "{string} < {string}", "{string} >= {string}", "{bytes} == {bytes}", "{bytes} < {bytes}",
		"{timestamp} == {timestamp}", "{timestamp} < {timestamp}", "{duration} == {duration}", "{duration} > {duration}",
		"{bool} == {bool}", "{bool} < {bool}", "{list} == {list}", "{map} == {map}", "{nested} == {nested}", "{any} == {any}",
		"{any} != {any}", "{type} == {type}", "null == {any}", "!{bool}", "{bool} && {bool}", "{bool} || {bool}",
		"{bool} && {bool} && {bool}", "{bool} || {bool} || {bool}", "{bool} && {bool} || {bool}", "{bool} ? {bool} : {bool}",
		"{int} in {list}", "{string} in {strings}", "{string} in {map}", "{double} in {list}", "{any} in {list}", "{int} in {imap}",
		"{double} in {imap}", "{list} in {nested}", "{string}.contains({string})", "{string}.startsWith({string})",
		"{string}.endsWith({string})", "{string}.matches({pattern})", "matches({string}, {pattern})", "bool({string})", "bool({bool})",
		"{list}.all({x:int}, {bool})", "{list}.exists({x:int}, {bool})", "{list}.exists_one({x:int}, {bool})",
		"{strings}.all({x:string}, {bool})", "{strings}.exists({x:string}, {bool})",
		"{map}.all({x:string}, {bool})", "{map}.exists({x:string}, {bool})", "{map}.exists({x:string}, {y:int}, {bool})",
		"{list}.all({x:int}, {y:int}, {bool})", "{list}.existsOne({x:int}, {y:int}, {bool})",
		"{strings}.exists_one({x:int}, {y:string}, {bool})", "{imap}.all({x:int}, {y:string}, {bool})", "has({map}.a)", "has({map}.b)",
		"has({map}.`a-b`)", "math.isNaN({double})", "math.isInf({double})", "math.isFinite({double})", "sets.contains({list}, {list})",
		"sets.equivalent({list}, {list})", "sets.intersects({list}, {list})", "sets.intersects({strings}, {strings})",
		"{optional}.hasValue()", "{optional} == {optional}", "isIP({address})", "isCIDR({block})", "ip.isCanonical({address})",
		"{ip} == {ip}", "{cidr} == {cidr}", "{ip}.isLoopback()", "{ip}.isGlobalUnicast()", "{ip}.isLinkLocalUnicast()",
		"{ip}.isLinkLocalMulticast()", "{ip}.isUnspecified()", "{cidr}.containsIP({ip})", "{cidr}.containsIP({address})",
		"{cidr}.containsCIDR({cidr})", "{cidr}.containsCIDR({block})", "{cidr}.isMask()", "cel.bind({x:bool}, {bool}, {bool})",
		"cel.bind({x:int}, {int}, {bool})", "regex.extract({string}, {pattern}).hasValue()", "[{bool}, {bool}][{small}]",
	},
	"int": {
		"{int} + {int}", "{int} - {int}", "{int} * {int}", "{int} / {int}", "{int} % {int}", "-{int}", "{bool} ? {int} : {int}",
		"int({int})", "int({uint})", "int({double})", "int({string})", "int({timestamp})", "{list}[{small}]", "{list}[{int}]",
		"{list}[{double}]", "{map}[{string}]", "{map}.a", "{map}['a']", "{map}.`a-b`", "size({string})", "{string}.size()", "size({bytes})",
		"size({list})", "{list}.size()", "size({map})", "{nested}.size()", "{string}.indexOf({string})", "{string}.indexOf({string}, {small})",
		"{string}.lastIndexOf({string})", "{string}.lastIndexOf({string}, {small})", "{timestamp}.getFullYear()", "{timestamp}.getMonth()",
		"{timestamp}.getDate()", "{timestamp}.getDayOfMonth()", "{timestamp}.getDayOfWeek()", "{timestamp}.getDayOfYear()",
		"{timestamp}.getHours()", "{timestamp}.getMinutes()", "{timestamp}.getSeconds()", "{timestamp}.getMilliseconds()",
		"{timestamp}.getHours({zone})", "{timestamp}.getDate({zone})", "{timestamp}.getDayOfYear({zone})", "{timestamp}.getMinutes({zone})",
		"{timestamp}.getFullYear({zone})", "{duration}.getHours()", "{duration}.getMinutes()", "{duration}.getSeconds()",
		"math.greatest({int}, {int})", "math.least({int}, {int}, {int})", "math.greatest({list})",
		"math.least({list})", "math.abs({int})", "math.sign({int})", "math.bitAnd({int}, {int})", "math.bitOr({int}, {int})",
		"math.bitXor({int}, {int})", "math.bitNot({int})", "math.bitShiftLeft({int}, {shift})", "math.bitShiftRight({int}, {shift})",
		"{optional}.value()", "{optional}.orValue({int})", "{list}.first().orValue({int})", "{list}.last().value()",
		"{map}.?a.orValue({int})", "{map}[?{string}].orValue({int})", "{list}[?{small}].orValue({int})", "{ip}.family()",
		"{cidr}.prefixLength()", "cel.bind({x:int}, {int}, {int})", "cel.bind({x:string}, {string}, {int})", "{nested}[{small}][{small}]",
		"dyn({int})",
	},
	"uint": {
		"{uint} + {uint}", "{uint} - {uint}", "{uint} * {uint}", "{uint} / {uint}", "{uint} % {uint}", "{bool} ? {uint} : {uint}",
		"uint({int})", "uint({uint})", "uint({double})", "uint({string})", "math.greatest({uint}, {uint})", "math.abs({uint})",
		"math.sign({uint})", "math.bitAnd({uint}, {uint})", "math.bitOr({uint}, {uint})", "math.bitXor({uint}, {uint})",
		"math.bitNot({uint})", "math.bitShiftLeft({uint}, {shift})", "math.bitShiftRight({uint}, {shift})",
	},
	"double": {
		"{double} + {double}", "{double} - {double}", "{double} * {double}", "{double} / {double}", "-{double}", "{bool} ? {double} : {double}",
		"double({int})", "double({uint})", "double({double})", "double({string})", "math.ceil({double})", "math.floor({double})",
		"math.round({double})", "math.trunc({double})", "math.abs({double})", "math.sign({double})", "math.sqrt({double})",
		"math.sqrt({int})", "math.sqrt({uint})", "math.least({double}, {double})", "{doubles}[{small}]", "math.greatest({doubles})",
	},
	"string": {
		"{string} + {string}", "{bool} ? {string} : {string}", "string({int})", "string({uint})", "string({plain})", "string({bool})",
		"string({string})", "string({bytes})", "string({timestamp})", "string(duration({short}))", "string({ip})", "string({cidr})",
		"{strings}[{small}]", "{imap}[{int}]", "{string}.charAt({small})", "{string}.lowerAscii()", "{string}.upperAscii()",
		"{string}.replace({string}, {string})", "{string}.replace({string}, {string}, {small})", "{string}.reverse()",
		"{string}.substring({small})", "{string}.substring({small}, {small})", "{string}.trim()", "{strings}.join()",
		"{strings}.join({string})", "strings.quote({string})", "base64.encode({bytes})", "'%s'.format([{any}])",
		"'%d|%x|%o|%b'.format([{int}, {int}, {int}, {int}])", "'%d|%X|%o|%b'.format([{uint}, {uint}, {uint}, {uint}])",
		"'%f|%.0f|%.3f'.format([{double}, {double}, {double}])", "'%e|%.1e|%s'.format([{double}, {double}, {double}])",
		"'%x|%X'.format([{string}, {bytes}])", "'%b'.format([{bool}])", "'%s, %s%%'.format([{list}, {map}])", "{format}.format([{any}, {any}])",
		"regex.replace({string}, {pattern}, {replacement})", "regex.replace({string}, {pattern}, {replacement}, {small})",
		"regex.extract({string}, {pattern}).orValue({string})", "cel.bind({x:string}, {string}, {string})", "json.encode({string})",
		"json.encode({strings})", "json.encode({bool})", "string({cidr}.ip())", "string({cidr}.masked())", "{strings}.first().orValue({string})",
	},
	"bytes": {
		"{bytes} + {bytes}", "bytes({string})", "bytes({bytes})", "base64.decode({string})", "base64.decode(base64.encode({bytes}))",
		"{bool} ? {bytes} : {bytes}",
	},
	"timestamp": {
		"timestamp({time})", "timestamp({int})", "timestamp({timestamp})", "{timestamp} + {duration}", "{duration} + {timestamp}",
		"{timestamp} - {duration}", "timestamp(string({timestamp}))",
	},
	"duration": {
		"duration({span})", "{duration} + {duration}", "{duration} - {duration}", "{timestamp} - {timestamp}", "duration(string(duration({short})))",
		"duration({duration})",
	},
	"type": {"type({any})", "type({type})"},
	"list": {
		"[]", "[{int}]", "[{int}, {int}]", "[{int}, {int}, {int}]", "{list} + {list}", "{list}.map({x:int}, {int})",
		"{list}.map({x:int}, {bool}, {int})", "{list}.filter({x:int}, {bool})", "{strings}.map({x:string}, {int})",
		"{list}.transformList({x:int}, {y:int}, {int})", "{list}.transformList({x:int}, {y:int}, {bool}, {int})", "{list}.slice({small}, {small})",
		"{list}.reverse()", "{list}.sort()", "{list}.distinct()", "{list}.sortBy({x:int}, {int})", "{list}.sortBy({x:int}, {string})",
		"{nested}.flatten()", "{nested}.flatten({small})", "lists.range({small})", "[?{optional}, {int}]", "{bool} ? {list} : {list}",
		"optional.unwrap([{optional}, {optional}])", "[{optional}].unwrapOpt()", "cel.bind({x:list}, {list}, {list})", "{nested}[{small}]",
	},
	"strings": {
		"[{string}]", "[{string}, {string}, {string}]", "{strings} + {strings}", "{string}.split({string})", "{string}.split({string}, {small})",
		"{strings}.map({x:string}, {string})", "{strings}.filter({x:string}, {bool})", "{strings}.sort()", "{strings}.distinct()",
		"{strings}.sortBy({x:string}, {int})", "{strings}.reverse()", "regex.extractAll({string}, {pattern})", "{list}.map({x:int}, {string})",
	},
	"doubles": {"[{double}, {double}]", "{list}.map({x:int}, {double})", "{doubles} + {doubles}", "{doubles}.distinct()"},
	"nested":  {"[{list}, {list}]", "[[], {list}]", "{nested} + {nested}", "{list}.map({x:int}, {list})", "{nested}.distinct()"},
	"map": {
		"{}", "{'a': {int}}", "{'a': {int}, 'b': {int}}", "{'a-b': {int}, {string}: {int}}", "{map}.transformMap({x:string}, {y:int}, {int})",
		"{map}.transformMap({x:string}, {y:int}, {bool}, {int})", "{?'a': {optional}, 'b': {int}}",
		"{strings}.transformMapEntry({x:int}, {y:string}, {y: {int}})", "{bool} ? {map} : {map}",
	},
	"imap": {
		"{1: {string}}", "{{int}: {string}, {int}: {string}}", "{strings}.transformMap({x:int}, {y:string}, {string})",
		"{imap}.transformMapEntry({x:int}, {y:string}, {x: {string}})",
	},
	"optional": {
		"optional.of({int})", "optional.none()", "optional.ofNonZeroValue({int})", "{map}.?a", "{map}[?{string}]", "{list}[?{small}]",
		"{optional}.or({optional})", "{optional}.optMap({x:int}, {int})", "{optional}.optFlatMap({x:int}, {optional})", "{list}.first()",
		"{list}.last()",
	},
	"ip":   {"ip({address})", "{cidr}.ip()"},
	"cidr": {"cidr({block})", "{cidr}.masked()"},
	"any": {
		"{bool}", "{int}", "{uint}", "{double}", "{string}", "{bytes}", "{timestamp}", "{duration}", "{list}", "{strings}", "{doubles}",
		"{nested}", "{map}", "{imap}", "{type}", "null", "[{any}, {any}]", "{'k': {any}}", "{{uint}: {any}}", "{true: {any}}", "dyn({any})",
		"{bool} ? {any} : {any}",
	},
}

// Plain values of each type, edge cases first of all.
var atoms = map[string][]string{
	"bool": {"true", "false"},
	"int": {
		"0", "1", "2", "3", "7", "10", "-1", "-2", "42", "0x1F", "9223372036854775807", "-9223372036854775808", "9007199254740993",
		"4294967296", "1000000000", "-62135596800", "253402300799",
	},
	"uint": {"0u", "1u", "2u", "5u", "63u", "0xFFu", "18446744073709551615u", "9223372036854775808u", "9007199254740993u"},
	"double": {
		"0.0", "-0.0", "1.0", "-1.0", "0.5", "1.5", "2.5", "-2.5", "0.1", "3.14159", "1e300", "-1e300", "1e-300", "5e-324", "1e21", "1e20",
		"123456789.0", "9007199254740993.0", "9.223372036854776e18", "1.8446744073709552e19", "1e6", "1e-7", "0.000001", "(0.0 / 0.0)",
		"(1.0 / 0.0)", "(-1.0 / 0.0)",
	},
	"plain": { // doubles that all write the same way
		"0.0", "-0.0", "1.0", "-1.5", "0.1", "3.14159", "123.456", "0.0045", "-0.001", "99999.5", "(0.0 / 0.0)", "(1.0 / 0.0)", "(-1.0 / 0.0)",
	},
	"string": {
		"''", "'a'", "'b'", "'abc'", "'ABC'", "'hello world'", "'äöü'", "'😀x😀'", "'e\\u0301'", "' \\t padded \\n'", "'\\u00a0\\u2003x\\u3000'",
		"'a,b,,c'", "'1'", "'-17'", "'+5'", "'1.5'", "'1e3'", "'0x10'", "' 1'", "'true'", "'FALSE'", "'t'", "'NaN'", "'Infinity'", "'-inf'",
		"'YWJj'", "'YWI='", "'YWI'", "'key=value'", "'id:12, id:345'", "r'\\d+'", "\"quote\\\"d\"", "'''tri'ple'''", "'\\x41\\101\\u0042'", "'%'",
	},
	"bytes": {"b''", "b'abc'", "b'\\xff\\x00'", "b'ä'", "br'\\n'", "b'\\u00ff'", "b'\\377'"},
	"time": {
		"'1970-01-01T00:00:00Z'", "'2026-11-02T08:00:32.423Z'", "'0001-01-01T00:00:00Z'", "'9999-12-31T23:59:59.999999999Z'",
		"'2024-02-29T23:30:00-08:00'", "'1969-12-31T23:59:59.5Z'", "'2026-03-29T01:30:00+01:00'", "'2026-13-01T00:00:00Z'", "'2026-11-02'",
		"'0000-01-01T00:00:00Z'", "'2023-02-29T00:00:00Z'", "'2026-11-02T08:00:32.1234567891Z'", "'2026-11-02T24:00:00Z'",
		"'2026-11-02t08:00:00z'", "'10000-01-01T00:00:00Z'", "'2026-11-02T08:00:60Z'",
	},
	"span": {
		"'0'", "'0s'", "'1h30m'", "'-1.5s'", "'250ms'", "'1us'", "'3ns'", "'.5s'", "'5.s'", "'9223372036s'", "'2562047h47m16.854775807s'",
		"'-2562047h47m16.854775808s'", "'2562047h47m16.854775808s'", "'1d'", "''", "'1'", "'+2m'", "'1h1h'", "'1.0000000001s'", "'315576000000s'",
		"'292y'", "'- 1s'",
	},
	"short": {"'0s'", "'1h30m'", "'-1.5s'", "'250ms'", "'3ns'"}, // durations that a float holds
	"zone": {
		"'UTC'", "'Europe/Berlin'", "'America/New_York'", "'Asia/Kolkata'", "'Australia/Lord_Howe'", "'+02:00'", "'-09:30'", "'05:45'",
		"'Mars/Olympus'", "'Pacific/Apia'",
	},
	"pattern": {
		"'a'", "'^a'", "'b$'", "'[a-z]+'", "r'\\d+'", "r'(\\w+)=(\\w+)'", "r'id:(\\d+)'", "'('", "''", "'a*'", "'(a)?b'", "'x|'", "'(?i)abc'",
		"'.'", "r'\\bworld'", "'[[:alpha:]]'", "'ä|ö'", "r'\\pL'", "'(a)(b)'", "r'\\S+@'", "'(a|b)*?c'", "'a{2,}'", "'(?s).+'",
	},
	"replacement": {"''", "'x'", "r'<\\0>'", "r'\\1'", "r'\\\\'", "r'\\'", "'$1'", "r'\\9'", "'ä'"},
	"format": {
		"'%s %s'", "'%d'", "'%s'", "'%'", "'%%'", "'%s %s %s'", "'%.2f'", "'%.f'", "'%.1000f'", "'%q'", "'%x'", "'%X|%o'", "'%e'", "'%b'",
		"'äö%s'", "'%1s'",
	},
	"address": {
		"'10.0.0.1'", "'127.0.0.1'", "'::1'", "'::'", "'0.0.0.0'", "'2001:db8::1'", "'2001:DB8:0:0:0:0:0:1'", "'fe80::1%en0'",
		"'::ffff:1.2.3.4'", "'1.2.3'", "'256.1.1.1'", "'01.2.3.4'", "'169.254.7.7'", "'224.0.0.251'", "'ff02::1'", "'255.255.255.255'", "''",
		"'1:2:3:4:5:6:7:8'", "'1:2:3:4:5:6:7::'", "'::1.2.3.4'", "'::102:304'", "'1:0:0:2:0:0:0:3'", "'1:0:2:3:4:5:6:7'", "'1::2::3'", "'2001:db8::1.2.3.4'", "'fe80::aede:48ff:fe00:1122'",
	},
	"block": {
		"'10.0.0.0/8'", "'10.1.2.3/12'", "'0.0.0.0/0'", "'::/0'", "'2001:db8::/32'", "'2001:db8::1/64'", "'127.0.0.1/32'", "'::1/128'",
		"'10.0.0.0/33'", "'10.0.0.0'", "'10.0.0.0/-1'", "'10.0.0.0/08'", "'::ffff:1.2.3.4/96'", "'fe80::1%en0/64'", "'1.2.3.4/'",
	},
	"small":     {"0", "1", "2", "3", "5", "-1"},
	"shift":     {"0", "1", "5", "63", "64", "200", "-1"},
	"timestamp": {"timestamp('2026-11-02T08:00:32.423Z')", "timestamp(0)", "timestamp('1969-12-31T23:59:59.999999999Z')"},
	"duration":  {"duration('1h')", "duration('0s')", "duration('-1ns')", "duration('90m1.5s')"},
	"type": {
		"int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type", "google.protobuf.Timestamp",
		"google.protobuf.Duration",
	},
	"list":     {"[]", "[1]", "[1, 2, 3]", "[3, 1, 2, 1]", "[-1, 9223372036854775807]"},
	"strings":  {"[]", "['a']", "['b', 'a', 'c']", "['a', 'a', '']", "['ä', 'z']"},
	"doubles":  {"[1.0]", "[0.0, -0.0]", "[1.5, -2.5, 1e300]"},
	"nested":   {"[]", "[[1], []]", "[[1, 2], [3]]"},
	"map":      {"{}", "{'a': 1}", "{'a': 1, 'b': 2}", "{'a-b': 7}"},
	"imap":     {"{}", "{1: 'a'}", "{1: 'a', 2: 'b'}", "{-1: 'a'}"},
	"optional": {"optional.of(1)", "optional.none()"},
	"ip":       {"ip('10.0.0.1')", "ip('::1')"},
	"cidr":     {"cidr('10.0.0.0/8')", "cidr('2001:db8::/32')"},
	"any":      {"null", "1", "1u", "1.0", "'1'", "true", "[]", "{}"},
}

// The types that a case can hold as its value.
var results = []string{
	"bool", "bool", "bool", "int", "int", "uint", "double", "string", "string", "bytes", "timestamp", "duration", "type", "list", "strings",
	"doubles", "nested", "map", "imap", "any",
}

// Variables that a case may bind, with their types.
var variables = map[string]string{
	"i": "int", "j": "int", "u": "uint", "d": "double", "s": "string", "w": "string", "b": "bool", "y": "bytes", "t": "timestamp",
	"r": "duration", "li": "list", "ls": "strings", "m": "map", "a.b": "int",
}
