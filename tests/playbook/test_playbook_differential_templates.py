"""The same templates and conditions here and under ansible-core: the same values, and errors for the same ones."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from hvbackup.errors import PlaybookError
from hvbackup.playbook.nodes import Text
from hvbackup.playbook.templates import OMIT, Templar
from hvbackup.playbook.yaml_reader import read_yaml_text

VARIABLES = r"""
one: 1
zero: 0
half: 0.5
yes_text: "yes"
no_text: "no"
true_value: true
nothing: null
empty: ""
name: "2024"
exponent: "1e5"
listed: "[1, 2]"
mapping_text: "{'a': 1}"
word: Straße
lines: |
  first
  second
alias: "{{ one }}"
alias_of_alias: "{{ alias }}"
name_alias: "{{ name }}"
joined: "{{ name }}-{{ one }}"
numbers: [3, 1, 2]
words: [beta, Alpha, gamma, alpha]
mixed: [1, "1", 1.0, true, null]
nested: [[1, [2, 3]], [4, null]]
templated_list: ["{{ one }}", "{{ name }}", "x{{ one }}"]
hosts_map:
  hv01: {memory: 4, tags: [a, b]}
  hv02: {memory: 8, tags: [c]}
vms:
  - {name: web, gen: 2, state: running, disks: [a.vhdx, b.vhdx]}
  - {name: db, gen: 1, state: "off", disks: []}
  - {name: "{{ name }}", gen: 2, state: running}
partly: {good: 1, bad: "{{ nowhere }}", kept: kept}
keyed: {"{{ one }}": kept, b: "{{ name }}"}
self_a: "{{ self_b }}"
self_b: "{{ self_a }}"
broken: "{{ 1 + 'a' }}"
undefined_alias: "{{ nowhere }}"
condition_text: "one == 1"
block: |
  {{ one }}
keeps_newline: |
  x{{ one }}
path: /srv/backup/vm.tar.gz
windows: 'C:\ClusterStorage\Volume1\vm.vhdx'
result_ok: {changed: true, failed: false, rc: 0, stdout: out}
result_loop: {results: [{changed: false}, {changed: true}]}
result_skipped: {skipped: true, changed: false}
result_bad: {failed: true, msg: no}
unsafe_text: !unsafe "{{ one }}"
day: 2024-05-06
omitting: {gone: "{{ omit }}", kept: 1, list: [1, "{{ omit }}"]}
"""

TEMPLATES = r"""
plain text
{{ one }}
{{ name }}
{{ name_alias }}
{{ exponent }}
{{ listed }}
{{ mapping_text }}
{{ name }}{{ name }}
{{ one }}{{ one }}
{{ nothing }}
{{ nothing }}{{ nothing }}
a{{ nothing }}
{{ empty }}
{{ empty }}{{ nothing }}
{{ true_value }}
{{ true_value }}!
{{ half }}
{{ [1, 2] }}
x{{ [1, 'a', none, true] }}
x{{ {'a': [1, 2.5]} }}
{{ {'a': one, 'b': name} }}
{{ alias_of_alias }}
{{ joined }}
{{ templated_list }}
{{ templated_list[1] }}
{{ templated_list | join(',') }}
{{ vms[2].name }}
{{ vms | map(attribute='name') | list }}
{{ vms | map(attribute='name') }}
{{ vms | selectattr('gen', 'equalto', 2) | map(attribute='name') | join(',') }}
{{ vms | rejectattr('state', 'eq', 'off') | list | length }}
{{ vms | selectattr('disks', 'defined') | map(attribute='disks') | flatten }}
{{ vms | map(attribute='disks', default=[]) | list }}
{{ vms | map(attribute='disks') | list }}
{{ vms | sum(attribute='gen') }}
{{ vms | groupby('gen') }}
{{ vms | items2dict(key_name='name', value_name='gen') }}
{{ hosts_map | dict2items }}
{{ hosts_map | dict2items | items2dict }}
{{ hosts_map.hv01.memory }}
{{ hosts_map['hv02']['tags'][0] }}
{{ hosts_map.keys() | list }}
{{ hosts_map.values() | map(attribute='memory') | sum }}
{{ hosts_map.items() | list }}
{{ hosts_map.get('hv09', 'none') }}
{{ hosts_map.get('hv01').memory + 1 }}
{{ partly.good }}
{{ partly }}
{{ partly.bad }}
{{ partly.bad | default('d') }}
{{ partly.missing | default('d') }}
{{ partly | length }}
{{ partly.keys() | list }}
{{ nowhere }}
{{ nowhere | default('x') }}
{{ nowhere.deeper.still | default('x') }}
{{ nowhere['deeper'] | d(3) }}
{{ undefined_alias | default('x') }}
{{ undefined_alias is defined }}
{{ broken | default('x') }}
{{ broken is defined }}
{{ broken }}
{{ self_a }}
{{ self_a | default('x') }}
{{ empty | default('x') }}
{{ empty | default('x', true) }}
{{ zero | default(5, true) }}
{{ nothing | default('x') }}
{{ nothing | default('x', true) }}
{{ unsafe_text }}
{{ unsafe_text }}x
{{ '{{ one }}' }}
{{ block }}
{{ keeps_newline }}
{{ lines }}
{{ lines.splitlines() }}
{{ lines | trim }}
{% if one %}yes{% else %}no{% endif %}
{% if zero %}yes{% endif %}
{% for n in numbers %}{{ n }},{% endfor %}
{% for n in numbers %}{{ n }}{% endfor %}
{% for n in [7] %}{{ n }}{% endfor %}
{% for n in numbers if n > 1 %}{{ loop.index }}:{{ n }};{% endfor %}
{% set q = 5 %}{{ q }}
{% set q = [] %}{% for n in numbers %}{% set _ = q.append(n * 2) %}{% endfor %}{{ q }}
{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }}
{# comment #}
{# comment #}{{ one }}
{{ one }} {# c #}
{{ 7 // 2 }}
{{ 7 / 2 }}
{{ 2 ** 10 }}
{{ 7 % 3 }}
{{ -one }}
{{ 'a' ~ one ~ none }}
{{ 'ab' * 3 }}
{{ [1] + [2] }}
{{ numbers + [9] }}
{{ [9] + numbers }}
{{ numbers == [3, 1, 2] }}
{{ hosts_map == {} }}
{{ one == true }}
{{ 1 < 2 < 3 }}
{{ 'a' in words }}
{{ 'beta' in words and not zero }}
{{ one and name }}
{{ zero or name }}
{{ (1, 2) }}
{{ range(3) }}
{{ range(3) | list }}
{{ numbers[::-1] }}
{{ numbers[1:] }}
{{ name[1:3] }}
{{ name.startswith('20') }}
{{ word | upper }}
{{ word | length }}
{{ words | sort }}
{{ words | sort(case_sensitive=true) }}
{{ words | unique }}
{{ words | unique(case_sensitive=true) }}
{{ mixed | unique }}
{{ numbers | sort(reverse=true) | first }}
{{ numbers | last }}
{{ numbers | min }}
{{ numbers | max }}
{{ words | map('upper') | list }}
{{ words | map('regex_replace', 'a', 'b') | list }}
{{ words | select('match', '[ab]') | list }}
{{ words | reject('search', 'mm') | list }}
{{ numbers | map('string') | join('+') }}
{{ numbers | batch(2) | list }}
{{ numbers | reverse | list }}
{{ [1, 2, 3] | union([3, 4]) | sort }}
{{ [1, 2, 3] | intersect([3, 2]) | sort }}
{{ [1, 2, 3] | difference([2]) | sort }}
{{ [1, 2] | symmetric_difference([2, 3]) | sort }}
{{ [[1], [2], [1]] | unique }}
{{ [[1], [2]] | union([[2], [3]]) }}
{{ nested | flatten }}
{{ nested | flatten(levels=1) }}
{{ [1, none, 'None'] | flatten }}
{{ [1, none] | flatten(skip_nulls=false) }}
{{ [1, 2] | zip(['a', 'b']) | list }}
{{ [1, 2] | zip(['a', 'b']) | map('join', '=') | list }}
{{ [1, 2, 3] | zip_longest(['a'], fillvalue='-') | list }}
{{ [1, 2] | product(['a', 'b']) | list }}
{{ [1, 2, 3] | combinations(2) | list }}
{{ [1, 2] | permutations | list }}
{{ {'a': 1} | combine({'b': 2}) }}
{{ {'a': {'x': 1}} | combine({'a': {'y': 2}}) }}
{{ {'a': {'x': 1}} | combine({'a': {'y': 2}}, recursive=true) }}
{{ {'a': [1]} | combine({'a': [2]}, list_merge='append') }}
{{ {'a': [1, 2]} | combine({'a': [2]}, list_merge='append_rp') }}
{{ {'a': [1, 2]} | combine({'a': [2]}, list_merge='prepend') }}
{{ {'a': [1, 2]} | combine({'a': [2]}, list_merge='prepend_rp') }}
{{ {'a': [1, 2]} | combine({'a': [2]}, list_merge='keep') }}
{{ {'a': {'x': [1]}} | combine({'a': {'x': [2]}}, recursive=true, list_merge='append') }}
{{ [{'a': 1}, {'b': 2}] | combine }}
{{ {'a': 1} | combine('x') }}
{{ {'b': 1, 'a': 2} | dictsort }}
{{ vms | subelements('disks', skip_missing=true) | map('last') | list }}
{{ vms | subelements('disks') }}
{{ vms | rekey_on_member('name') | list }}
{{ ['hv01', 'hv02'] | map('extract', hosts_map, 'memory') | list }}
{{ ['hv01', 'hv02'] | map('extract', hosts_map, ['tags', 0]) | list }}
{{ yes_text | bool }}
{{ no_text | bool }}
{{ 'nonsense' | bool }}
{{ 1 | bool }}
{{ 'TRUE' | bool }}
{{ '42' | int }}
{{ 'x' | int }}
{{ 'x' | int(7) }}
{{ '0x1f' | int(base=16) }}
{{ '1.5' | float }}
{{ 1.7 | int }}
{{ 42 | string }}
{{ none | string }}
{{ [1] | string }}
{{ 3.14159 | round(2) }}
{{ 2.5 | round | int }}
{{ -3 | abs }}
{{ one | ternary('yes', 'no') }}
{{ none | ternary('y', 'n', 'null') }}
{{ nowhere | ternary('y', 'n') }}
{{ one | mandatory }}
{{ nowhere | mandatory }}
{{ {'b': 1, 'a': [true, none]} | to_json }}
{{ {'b': 1, 'a': [true, none]} | to_nice_json }}
{{ word | to_json }}
{{ word | to_json(ensure_ascii=false) }}
{{ vms[0] | to_json(sort_keys=true) }}
{{ '{"a": [1, 2.5, null]}' | from_json }}
{{ '{bad' | from_json }}
{{ '{bad' | from_json | default('x') }}
{{ {'b': 1, 'a': [true, none, 'x', 'yes', '12']} | to_yaml }}
{{ {'b': 1, 'a': [true, none, 'x', 'yes', '12']} | to_nice_yaml }}
{{ vms | to_nice_yaml(indent=2) }}
{{ [name, one] | to_yaml }}
{{ word | to_yaml }}
{{ 'a: [1, yes, "2"]' | from_yaml }}
{{ '- a' | from_yaml }}
{{ 'a: [' | from_yaml }}
{{ day }}
{{ day | string }}
{{ day | to_json }}
{{ path | basename }}
{{ path | dirname }}
{{ path | splitext }}
{{ 'a//b/../c' | normpath }}
{{ ['/a', 'b', 'c'] | path_join }}
{{ ['/a/b/c', '/a/b/d'] | commonpath }}
{{ windows }}
{{ windows | win_basename }}
{{ windows | win_dirname }}
{{ windows | win_splitdrive }}
{{ windows | win_splitdrive | first }}
{{ 'C:\new\table' }}
{{ 'a\tb' }}
{{ "x\\y" }}
{{ windows | replace('\\', '/') }}
{{ windows | replace('\', '/') }}
{{ windows | regex_replace('^(.*)\\\\(.*)$', '\\2') }}
{{ windows.split('\\') }}
{{ 'a,b,c' | split(',') }}
{{ 'a b' | split }}
{{ 'a,b,c' | split(',', 1) }}
{{ 'foo=1' | regex_search('(\\w+)=(\\d+)', '\\1', '\\2') }}
{{ 'foo=1' | regex_search('(?P<k>\\w+)=', '\\g<k>') }}
{{ 'foo' | regex_search('x') }}
{{ 'foo' | regex_search('O+', ignorecase=true) }}
{{ 'a1b22' | regex_findall('[0-9]+') }}
{{ 'a1b22' | regex_replace('[0-9]+', '#') }}
{{ 'a1b22' | regex_replace('([0-9]+)', '<\\1>') }}
{{ 'aaa' | regex_replace('a', 'b', count=1) }}
{{ 'a.b*c' | regex_escape }}
{{ 'a.b*c' | regex_escape('posix_basic') }}
{{ 12 | regex_replace('1', 'x') }}
{{ 'häß' | b64encode }}
{{ 'aMOkw58=' | b64decode }}
{{ '???' | b64encode(urlsafe=true) }}
{{ 'x' | hash('sha256') }}
{{ 'x' | hash('nonsense') }}
{{ 'x' | md5 }}
{{ 'x' | sha1 }}
{{ 'x' | checksum }}
{{ 'x' | to_uuid }}
{{ "it's" | quote }}
{{ none | quote }}
{{ 1536 | human_readable }}
{{ 1536 | human_readable(unit='B') }}
{{ 10737418240 | human_readable }}
{{ 5 | human_readable }}
{{ 1536 | human_readable(isbits=true) }}
{{ 10737418240 | human_readable(unit='M') }}
{{ '10' | human_to_bytes }}
{{ '1.5 GB' | human_to_bytes }}
{{ '10M' | human_to_bytes }}
{{ '10 Kb' | human_to_bytes(isbits=true) }}
{{ '10 Kb' | human_to_bytes }}
{{ '10 kilobytes' | human_to_bytes }}
{{ '10 XX' | human_to_bytes }}
{{ '5' | human_to_bytes(default_unit='K') }}
{{ '1B' | human_to_bytes }}
{{ ('2024-05-06 10:00:00' | to_datetime).strftime('%d.%m.%Y') }}
{{ (('2024-05-06 10:00:00' | to_datetime) - ('2024-05-05 09:00:00' | to_datetime)).total_seconds() }}
{{ ('2024-05-06' | to_datetime('%Y-%m-%d')).year }}
{{ '%Y-%m-%d %H:%M' | strftime(0, utc=true) }}
{{ '%Y' | strftime(86400 * 366, true) }}
{{ 'a b' | urlencode }}
{{ 'hello world' | title }}
{{ 'hello' | capitalize }}
{{ 'x' | center(5) }}
{{ 'abc' | truncate(2, true, '') }}
{{ 'a b c' | wordcount }}
{{ '%s-%03d' | format('a', 7) }}
{{ '{}-{:>4}'.format('a', 7) }}
{{ '%05.1f' % 3.14159 }}
{{ 'a\nb' | indent(2) }}
{{ [1, 2, 3] | random(seed='x') }}
{{ 100 | random(seed='hv01') }}
{{ [1, 2, 3, 4] | shuffle(seed='x') }}
{{ 8 | log(2) }}
{{ 2 | pow(3) }}
{{ 27 | root(3) }}
{{ 16 | root }}
{{ one | type_debug }}
{{ name | type_debug }}
{{ hosts_map | type_debug }}
{{ numbers | type_debug }}
{{ nothing | type_debug }}
{{ omit }}
a{{ omit }}b
{{ [1, omit, 2] }}
{{ omitting }}
{{ {'a': omit, 'b': 1} }}
{{ lookup }}
{{ one.__class__ }}
{{ one.bit_length() }}
{{ name.__class__.__mro__ }}
{{ ''.join(['a', 'b']) }}
{{ dict(a=1, b=one) }}
{{ dict([['a', 1]]) }}
{{ undef() | default('u') }}
{{ one | nofilter }}
{{ one is notest }}
{{ one + 'a' }}
{{ numbers | join(', ') }}
{{ 'abc' | list }}
{{ 1 if true_value else 2 }}
{{ 1 if zero }}
{{ words | first | upper }}
{{ [] | first }}
{{ [] | first | default('none') }}
{{ [] | max }}
{{ {'a': {'b': 1}}.a.b }}
{{ numbers.0 }}
{{ numbers.9 | default('none') }}
{{ numbers[9] }}
{{ 'x' is string }}
{{ hosts_map is mapping }}
{{ numbers is sequence }}
{{ name is number }}
{{ one is defined and nowhere is undefined }}
{{ true and 'x' }}
{{ not 'x' }}
{{ ['b', 'a'] | sort | to_json }}
{{ {'a': 1}.items() }}
{{ {1: 'a'} }}
{{ [[1, 2], [3, 4]] | map('first') | list }}
{{ [{'a': 1}, {}] | map(attribute='a', default=0) | list }}
{{ [1, 2, 3, 4] | select('even') | list }}
{{ [0, 1, '', 'a'] | select | list }}
{{ [1, [2]] is contains(1) }}
{{ 'ab' | map('upper') | list }}
{{ {'a': 2, 'b': 1} | dictsort(by='value') }}
{{ words | join }}
{{ 'x' ~ undefined_alias }}
{{ (one | string) ~ '0' | int }}
{{ 1 | ansible.builtin.bool }}
{{ 'x' is ansible.builtin.match('x') }}
{{ true_value | ternary(one, nowhere) }}
{{ [nowhere, 1] }}
{{ {'a': nowhere} }}
{{ [nowhere | default(omit), 1] }}
{{
  {{ one
{{ one }
{% if %}
{% endfor %}
}}
{{ one }}}
{ { one } }
"""

#: Templates of several lines.
LONG_TEMPLATES = [
    "{% set q = [] %}{% do q.append(1) %}{{ q }}",
    "{% for n in numbers %}{% if n == 1 %}{% break %}{% endif %}{{ n }}{% endfor %}",
    "{% for n in numbers %}\n{{ n }}\n{% endfor %}\n",
    "{%- for n in numbers -%}\n  {{ n }}\n{%- endfor -%}\n",
    "a\n{% if one %}\nb\n{% endif %}\nc\n",
    "a\n  {% if one %}\n  b\n  {% endif %}\nc",
    "{{ one }}\n",
    "{{ one }}\n\n",
    "\n{{ one }}",
    "x\n\n",
    "{{ 'x\n' }}",
    "{{ lines }}\n",
    "{% raw %}{{ one }}{% endraw %}",
    "{% filter upper %}abc{{ one }}{% endfilter %}",
    "{% set x %}block {{ one }}{% endset %}{{ x }}",
    "{% set x %}{{ one }}{% endset %}{{ x | type_debug }}",
    "{% set a, b = 1, 2 %}{{ a + b }}",
    "{% set ns = namespace(x=1) %}{{ ns.x }}",
    "{% macro f(x) %}{{ x }}{% endmacro %}{{ f(one) | type_debug }}",
    "{% macro f(x) %}{{ x }}{% endmacro %}{{ f(numbers) }}",
    "{% macro f() %}<{{ caller() }}>{% endmacro %}{% call f() %}in{% endcall %}",
    "{% with x = 5 %}{{ x }}{% endwith %}",
    "{% for k, v in hosts_map.items() %}{{ k }}={{ v.memory }};{% endfor %}",
    "{% for k in hosts_map %}{{ k }}{% if not loop.last %},{% endif %}{% endfor %}",
    "{% for k in hosts_map | sort(reverse=true) %}{{ loop.index0 }}{{ k }}{% endfor %}",
    "{% for n in [] %}x{% else %}empty{% endfor %}",
    "{% for n in nowhere %}x{% endfor %}",
    "{% for n in nowhere | default([]) %}x{% endfor %}",
    "{% for a in nested %}{% for b in a %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}",
    "{% for g, l in vms | groupby('gen') %}{{ g }}:{{ l | length }};{% endfor %}",
    "{% for vm in vms recursive %}{{ vm.name }}{% endfor %}",
    "{% if nowhere is defined %}{{ nowhere.x }}{% else %}no{% endif %}",
    "{% if nowhere %}x{% endif %}",
    "{% if one %}{{ nowhere }}{% endif %}",
    "{% if zero %}{{ nowhere }}{% endif %}",
    "{% if zero %}a{% elif one %}b{% endif %}",
    "{{ one }}{% if zero %}x{% endif %}",
    "{{ name }}{% if zero %}x{% endif %}",
    "{% set one = 5 %}{{ one }}",
    "{% set one = 5 %}{{ alias }}",
    "{% set y = alias %}{{ y + 1 }}",
    "{{ [1, 2,\n 3] }}",
    "{{ {'a': 'b',\n 'c': one} }}",
    "{{ 'it''s' }}",
    "{{ 'it\\'s' }}",
    '{{ "say \\"hi\\"" }}',
    "{{ '\\n' }}",
    "{% set x = '\\n' %}{{ x }}",
    "{% set x = 'a\\tb' %}{{ x | length }}",
    "{% if 'a\\tb' | length == 3 %}yes{% else %}no{% endif %}",
    "{{ windows }}\\new",
    "{{ 'a\\\\b' }}",
    "{{ 'a' 'b' }}",
    "{{ 1_000 }}",
    "{{ 0x1f }}",
    "{{ 1e3 }}",
    "{{ 0b11 }}",
    "{{ 'ü' }}",
    "{{ '\\u00fc' }}",
    "{{ numbers | map('multiply', 2) | list }}",
    "{{ numbers | map('int') | sum / numbers | length }}",
    "{{ numbers | sum }}{{ 'x' }}",
    "{{ vms | map(attribute='disks.0', default='none') | list }}",
    "{{ vms | selectattr('disks', 'defined') | selectattr('disks') | map(attribute='name') | list }}",
    "{{ vms | selectattr('name', 'in', ['web', 'db']) | map(attribute='name') | list }}",
    "{{ vms | selectattr('name', 'match', '^w') | first | combine({'x': 1}) }}",
    "{{ vms | selectattr('missing', 'defined') | list }}",
    "{{ vms | selectattr('missing') | list }}",
    "{{ vms | selectattr('missing', 'eq', 1) | list }}",
    "{{ vms | map('combine', {'host': 'h'}) | list }}",
    "{{ vms | map('dict2items') | first }}",
    "{{ vms | json_query('x') }}",
    "{{ hosts_map | dict2items | map(attribute='value.memory') | max }}",
    "{{ hosts_map | dict2items | selectattr('value.memory', '>', 4) | map(attribute='key') | list }}",
    "{{ hosts_map | combine({'hv01': {'memory': 5}}, recursive=true) }}",
    "{{ dict(words | zip(numbers)) }}",
    "{{ dict(hosts_map | dict2items | map(attribute='key') | zip([1, 2])) }}",
    "{{ numbers | first }}{{ numbers | last }}",
    "{{ numbers | slice(2) | list }}",
    "{{ numbers | tojson }}",
    "{{ {'a': '<b>'} | tojson }}",
    "{{ words | map('length') | list }}",
    "{{ words | map('default', 'x') | list }}",
    "{{ [partly] | map(attribute='bad') | map('default', 'd') | list }}",
    "{{ [partly] | map(attribute='bad', default='d') | list }}",
    "{{ partly | dict2items | selectattr('key', 'eq', 'good') | list }}",
    "{{ partly | dict2items | length }}",
    "{{ partly | combine({'bad': 2}) }}",
    "{{ partly.items() | first }}",
    "{{ partly | list }}",
    "{{ partly == partly }}",
    "{{ 'good' in partly }}",
    "{{ templated_list | first }}",
    "{{ templated_list | length }}",
    "{{ templated_list == [1, '2024', 'x1'] }}",
    "{{ 1 in templated_list }}",
    "{{ templated_list | intersect([1]) }}",
    "{{ omitting.gone | default('d') }}",
    "{{ omitting.gone is defined }}",
    "{{ omitting.list | length }}",
    "{{ omit | default('x') }}",
    "{{ omit == omit }}",
    "{{ (omit) ~ 'x' }}",
    "{{ [omit] | length }}",
    "{{ {'a': omit} | combine({'b': 1}) }}",
    "{{ result_ok is changed | ternary('a', 'b') }}",
    "{{ (result_ok is changed) | ternary('a', 'b') }}",
    "{{ one if one else nowhere }}",
    "{{ nowhere if zero else 'fine' }}",
    "{{ (nowhere | default({})).x | default('d') }}",
    "{{ (nowhere | default({}))['x'] | default('d') }}",
    "{{ nothing.x | default('d') }}",
    "{{ nothing.x }}",
    "{{ one.x | default('d') }}",
    "{{ name.x | default('d') }}",
    "{{ name[9] | default('d') }}",
    "{{ numbers.x | default('d') }}",
    "{{ nowhere() | default('d') }}",
    "{{ one() | default('d') }}",
    "{{ (nowhere + 1) | default('d') }}",
    "{{ (nowhere ~ 'x') | default('d') }}",
    "{{ [nowhere] | first | default('d') }}",
    "{{ [nowhere] | length }}",
    "{{ [nowhere, 'a'] | join(',') }}",
    "{{ nowhere | upper | default('d') }}",
    "{{ nowhere == 1 }}",
    "{{ nowhere in [1] }}",
    "{{ 1 in nowhere }}",
    "{{ not nowhere }}",
    "{{ nowhere and 1 }}",
    "{{ zero and nowhere }}",
    "{{ nowhere | length | default(0) }}",
    "{{ 5 | default(nowhere) }}",
    "{{ nowhere | default(nowhere) }}",
    "{{ nowhere | default(nowhere) | default('d') }}",
    "{{ lookup('env', 'NOTHING') }}",
    "{{ one | string | int + 1 }}",
    "{{ '1' + '2' }}",
    "{{ '1' | int + '2' | int }}",
    "{{ true | int }}",
    "{{ true + 1 }}",
    "{{ 'True' | bool and true }}",
    "{{ 'x'.upper().lower().title() }}",
    "{{ 'a,b'.split(',') | map('upper') | join('-') }}",
    "{{ 'abc'[::-1] }}",
    "{{ 'abc'[5] | default('no') }}",
    "{{ numbers.index(1) }}",
    "{{ numbers.count(1) }}",
    "{{ numbers.copy() }}",
    "{{ hosts_map.copy() | length }}",
    "{{ numbers.append(4) }}",
    "{{ (1, 2) + (3,) }}",
    "{{ [1, 2] | tuple }}",
    "{{ {1, 2} }}",
    "{{ [3, 'a'] | sort }}",
    "{{ [none, 1] | sort }}",
    "{{ [true, false] | sort }}",
    "{{ day.year }}",
    "{{ day.strftime('%d.%m.%y') }}",
    "{{ '{{' }}",
    "{{ '{% if %}' }}",
    "{{ '}}' }}",
    '{{ "{{ one }}" | length }}',
    "a{#\n#}b",
    "{{ one -}}   x",
    "x   {{- one }}",
    "#jinja2: variable_start_string:'[[', variable_end_string:']]'\n[[ one ]] {{ one }}",
]

CONDITIONS = r"""
true_value
one
one == 1
one | bool
name
name == '2024'
name == 2024
alias == 1
nothing
nothing is none
nowhere
nowhere is defined
nowhere is undefined
nowhere is not defined or nowhere
not nowhere
undefined_alias is defined
broken is defined
self_a is defined
numbers
numbers | length > 2
'beta' in words
'beta' not in words
true
false
True
yes
"'x'"
1
0 == 0
one == 1 and name is string
one == 1 or nowhere
one == 2 and nowhere
result_ok is changed
result_ok is succeeded
result_ok is failed
result_bad is failed
result_bad is success
result_loop is changed
result_skipped is skipped
result_skipped is not skipped
result_ok is reachable
one is failed
'1.10' is version('1.9', '>')
'1.10' is version('1.9', '<')
'1.2.3' is version('1.2.3', 'eq')
'10.0.20348' is version('10.0.17763', 'ge')
'1.2' is version('1.2.0', 'eq')
'1.2' is version('1.2.0', 'eq', strict=true)
'1.2.3-rc1' is version('1.2.3', 'lt', version_type='semver')
'1.2.3-alpha.1' is version('1.2.3-alpha.beta', '<', version_type='semantic')
'1.2' is version('1.2.3', 'lt', version_type='semver')
'1.a' is version('1.1', 'lt')
'1.2' is version('1.2', 'nonsense')
'' is version('1', 'eq')
'abc' is match('b')
'abc' is match('a')
'abc' is search('b')
'ABC' is search('b', ignorecase=true)
'abc' is regex('^a.c$')
[1, 2] is subset([1, 2, 3])
[1, 2] is superset([1])
[1, 2] is contains(1)
'no' is truthy
'no' is truthy(convert_bool=true)
'no' is falsy(convert_bool=true)
'' is falsy
[true, 1] is all
[false, 0] is any
vms | selectattr('name', 'eq', 'web') | list
vms | selectattr('name', 'eq', 'web') | list | length == 1
hosts_map.hv01.memory > 2
hosts_map['hv09'] is defined
hosts_map.hv09.memory is defined
windows is match('C:\\\\Cluster')
windows is search('\\\\Volume1\\\\')
'a\tb' == "a	b"
1 < one < 3
one in [1, 2]
(one == 1
one ==
one one
one = 1
empty
empty == ''
not empty
zero
zero == false
1 == 1.0
'a' < 'b'
'a' < 1
none
none is none
omit is defined
name is number
name | int > 2000
(name | int) is number
half is float
one is integer
word is string
word is lower
word | lower is lower
numbers is iterable
hosts_map is mapping
5 is divisibleby(5)
4 is even
nowhere.deep is defined
partly.bad is defined
partly.good is defined
unsafe_text == '{' ~ '{ one }' ~ '}'
yes_text | bool
no_text | bool
condition_text
true_value is true
one is true
true_value is boolean
name is nofilter
name | nofilter
[] is sameas([])
result_ok.rc == 0
result_ok.missing == 0
result_ok.missing | default(0) == 0
result_bad.msg
"""

#: YAML whose values both must read alike.
SCALARS = r"""
scalars:
  - [yes, Yes, YES, no, on, Off, true, True, TRUE, "yes", y, n, Y]
  - [null, Null, ~, "", "null"]
  -
  - [0, 1, -1, +1, 007, 010, 0o10, 0x10, 0X10, 0b101, 1_000, 1:30, 1:30:15, 99:99, "1", 08, 09]
  - [1.0, 1., .5, 1e3, 1e+3, 1.5e3, 1.5e+3, -0.0, .inf, -.INF, 1_0.5, 1:30.5, "1.0", 1.2.3, 1e]
  - [2024-05-06, "2024-05-06", 2024-5-6, 2024-05-06T10:11:12Z, 2024-05-06 10:11:12.5 +2, 24-05-06]
  - [a:b, "a: b", 'it''s', "tab\t\u00e9\x41", plain text here, -a, .a, "=", <, '@x', "#no", a#b, a # comment
    ]
  - |
    literal
      indented

    end
  - |-
    stripped
  - |+
    kept

  - >
    folded
    text

    second
  - >-
    folded and
    stripped
  - "double
    quoted     over lines"
  - plain
    over lines
  - {a: 1, "b": two, 3: three, true: yes, null: x, 1.5: f}
  - !!str 5
  - !!int "5"
  - !!float 5
  - !unsafe "{{ not_a_template }}"
  - [a, b, ]
  - {a, b: }
  - ? key
    : value
  - &anchor {x: 1, y: [1, 2]}
  - *anchor
  - {<<: *anchor, x: 2, z: 3}
  - {<<: [{q: 1, r: 1}, {r: 2, s: 2}], s: 3}
  - C:\Windows
  - "C:\\Windows"
"""

MORE = [
    "{{ 'https://u:p@h:5986/a/b?q=1#f' | urlsplit }}",
    "{{ 'https://h/a' | urlsplit('hostname') }}",
    "{{ 'https://h/a' | urlsplit('nothing') }}",
    "{{ 'a%20b+c' | urldecode }}",
    "{{ empty | default('x', 'true') }}",
    "{{ empty | default('x', boolean=true) }}",
    "{{ keyed }}",
    "x{{ keyed }}",
    "{{ keyed | to_json }}",
    "{{ keyed | to_nice_yaml }}",
    "{{ keyed['{{ one }}'] }}",
    "{{ keyed[1] | default('d') }}",
    "{{ keyed | combine({'x': 1}) }}",
    "{% for k in keyed %}{{ k }};{% endfor %}",
]

#: What is meant to be different, with the reason: see docs/playbook-language.md.
DIFFERENT = {
    "{{ lookup }}": "there are no lookups",
    "{{ undef() | default('u') }}": "there is no undef()",
    "{{ lookup('env', 'NOTHING') }}": "there are no lookups",
    "{{ numbers.append(4) }}": "a template does not change variables",
    "{{ numbers.count(1) }}": "ansible-core 2.19.14 counts 0",
    LONG_TEMPLATES[-1]: "settings of Jinja in a text are refused",
}


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _ours(compute: Callable[[Text, Any], Any], source: str, variables: Any) -> list[Any]:
    try:
        value = compute(Text(source), variables)
    except PlaybookError:
        return ["error"]
    return ["omitted"] if value is OMIT else ["value", json.loads(json.dumps(value, default=dt.date.isoformat))]


def _compare(sources: list[str], ours: list[Any], theirs: list[Any]) -> None:
    wrong = [
        f"{source!r}: here {here}, Ansible {there}"
        for source, here, there in zip(sources, ours, theirs, strict=True)
        if json.dumps(here) != json.dumps(there) and source not in DIFFERENT
    ]
    assert not wrong, "\n".join(wrong)


@pytest.fixture(scope="module")
def variables() -> Any:
    return read_yaml_text(VARIABLES, "variables.yml")


def test_templates_give_what_they_give_under_ansible(ansible_values: Callable[..., list[Any]], variables: Any) -> None:
    sources = [*_lines(TEMPLATES), *LONG_TEMPLATES, *MORE]
    render = Templar().render
    ours = [_ours(render, source, variables) for source in sources]
    _compare(sources, ours, ansible_values(VARIABLES, sources))


def test_conditions_hold_as_they_do_under_ansible(ansible_values: Callable[..., list[Any]], variables: Any) -> None:
    sources = _lines(CONDITIONS)
    condition = Templar().condition
    ours = [_ours(condition, source, variables) for source in sources]
    _compare(sources, ours, ansible_values(VARIABLES, sources, conditions=True))


def _words(text: str) -> list[str]:
    return text.split()


ATOMS = _words(
    """one zero half name nothing empty words numbers hosts_map vms nested templated_list alias partly.good
partly.bad nowhere undefined_alias broken omit vms[0].name vms[2].name vms[1] hosts_map.hv01 true_value 'a' 'b,c' 1 2.5
none [] {} [1,2] {'a':1} unsafe_text lines result_ok mixed word day self_a exponent listed yes_text"""
)
#: Without those that Ansible orders differently each time.
FILTERS = _words(
    """length first last list string int float bool upper lower sort unique sum max min join(",") default("d")
default("d",true) to_json to_nice_json to_yaml to_nice_yaml type_debug flatten dict2items items2dict map("string")
map("upper") select select("defined") map(attribute="name") map("default","q") selectattr("name","defined")
combine({"z":9}) zip([1,2]) b64encode basename split(",") replace("a","b") regex_replace("[a-z]","X")
regex_search("[0-9]+") ternary("t","f") abs round title trim dictsort items groupby("gen") mandatory quote hash("md5")
human_readable from_yaml from_json random(seed="s") shuffle(seed="s") batch(2) tojson urlencode extract(hosts_map)
map("extract",hosts_map) wordcount center(8) truncate(3) indent log pow(2) product([1]) combinations(2)
subelements("disks",skip_missing=true) rekey_on_member("name") regex_findall("a") regex_escape"""
)
TESTS = _words(
    """defined undefined none string number mapping sequence iterable boolean integer float truthy falsy changed
failed skipped match("a") search("1") contains(1) subset([1,2,3]) even odd lower eq(1) sameas(true)"""
)
OPERATORS = _words("+ - * ~ == != < > <= and or in // % /")


def random_expression(dice: random.Random, depth: int) -> str:
    kind = dice.random()
    if depth <= 0 or kind < 0.25:
        return dice.choice(ATOMS)
    inner = random_expression(dice, depth - 1)
    if kind < 0.65:
        return f"{inner} | {dice.choice(FILTERS)}"
    if kind < 0.75:
        return f"({inner}) is {dice.choice(['', 'not '])}{dice.choice(TESTS)}"
    other = random_expression(dice, depth - 1)
    if kind < 0.9:
        return f"({inner}) {dice.choice(OPERATORS)} ({other})"
    return dice.choice([f"[{inner}, {other}]", f"({inner} if {other} else 1)", f"({inner})[0]", f"({inner}).name"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_random_templates_give_what_they_give_under_ansible(
    seed: int, ansible_values: Callable[..., list[Any]], variables: Any
) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same templates each time
    render = Templar().render
    ours: dict[str, Any] = {}
    while len(ours) < 500:
        source = dice.choice(["{{ %s }}", "{{ %s }}", "x{{ %s }}y"]) % random_expression(dice, dice.randint(1, 4))
        value = _ours(render, source, variables)
        if value != ["error"] or dice.random() < 0.2:
            ours[source] = value
    _compare(list(ours), list(ours.values()), ansible_values(VARIABLES, list(ours)))


def test_yaml_is_read_as_ansible_reads_it(ansible_values: Callable[..., list[Any]]) -> None:
    variables = read_yaml_text(SCALARS, "variables.yml")
    # As text, so that 1, 1.0 and true are told apart, and keys keep their types.
    sources = [f"{{{{ scalars[{number}] | string }}}}" for number in range(len(variables["scalars"]))]
    render = Templar().render
    _compare(sources, [_ours(render, source, variables) for source in sources], ansible_values(SCALARS, sources))
