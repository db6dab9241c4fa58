-- name: others
-- Without the members of extensions, and casts that come and go with a range.
-- Options of foreign-data wrappers, servers and user mappings may be secrets: their names only.
WITH found (classid, oid, definition, owner, acl) AS (
  SELECT 'pg_cast'::regclass, c.oid,
         format('%s %s %s', c.castcontext, c.castmethod, nullif(c.castfunc, 0)::regprocedure),
         NULL::oid, NULL::aclitem[]
    FROM pg_cast c
  UNION ALL
  SELECT 'pg_operator'::regclass, o.oid,
         format('%s %s result %s commutator %s negator %s merges %s hashes %s restrict %s join %s', o.oprkind,
                o.oprcode::regproc, format_type(o.oprresult, NULL), o.oprcom::regoperator, o.oprnegate::regoperator,
                o.oprcanmerge, o.oprcanhash, o.oprrest, o.oprjoin),
         o.oprowner, NULL
    FROM pg_operator o
  UNION ALL
  SELECT 'pg_opclass'::regclass, o.oid,
         format('family %s for %s stores %s%s',
                (SELECT quote_ident(n.nspname) || '.' || quote_ident(f.opfname)
                   FROM pg_opfamily f JOIN pg_namespace n ON n.oid = f.opfnamespace WHERE f.oid = o.opcfamily),
                format_type(o.opcintype, NULL), format_type(nullif(o.opckeytype, 0), NULL),
                CASE WHEN o.opcdefault THEN ' default' END),
         o.opcowner, NULL
    FROM pg_opclass o
  UNION ALL
  SELECT 'pg_opfamily'::regclass, f.oid,
         concat_ws('; ',
           (SELECT string_agg(format('operator %s %s', a.amopstrategy, a.amopopr::regoperator), ', '
                              ORDER BY a.amopstrategy, a.amopopr::regoperator::text)
              FROM pg_amop a WHERE a.amopfamily = f.oid),
           (SELECT string_agg(format('function %s (%s, %s) %s', a.amprocnum, format_type(a.amproclefttype, NULL),
                                     format_type(a.amprocrighttype, NULL), a.amproc::regprocedure), ', '
                              ORDER BY a.amprocnum, a.amproc::regprocedure::text)
              FROM pg_amproc a WHERE a.amprocfamily = f.oid)),
         f.opfowner, NULL
    FROM pg_opfamily f
  UNION ALL
  SELECT 'pg_collation'::regclass, l.oid,
         (to_jsonb(l) - '{oid,collname,collnamespace,collowner,collversion}'::text[])::text, l.collowner, NULL
    FROM pg_collation l
  UNION ALL
  SELECT 'pg_conversion'::regclass, c.oid,
         format('%s to %s by %s%s', pg_encoding_to_char(c.conforencoding), pg_encoding_to_char(c.contoencoding),
                c.conproc, CASE WHEN c.condefault THEN ' default' END),
         c.conowner, NULL
    FROM pg_conversion c
  UNION ALL
  SELECT 'pg_language'::regclass, l.oid,
         format('trusted %s handler %s inline %s validator %s', l.lanpltrusted, l.lanplcallfoid::regproc,
                l.laninline::regproc, l.lanvalidator::regproc),
         l.lanowner, coalesce(l.lanacl, acldefault('l', l.lanowner))
    FROM pg_language l
  UNION ALL
  SELECT 'pg_foreign_data_wrapper'::regclass, w.oid,
         format('handler %s validator %s options %s', w.fdwhandler::regproc, w.fdwvalidator::regproc,
                ARRAY(SELECT split_part(o, '=', 1) FROM unnest(w.fdwoptions) o)),
         w.fdwowner, coalesce(w.fdwacl, acldefault('F', w.fdwowner))
    FROM pg_foreign_data_wrapper w
  UNION ALL
  SELECT 'pg_foreign_server'::regclass, s.oid,
         format('wrapper %s type %s version %s options %s', w.fdwname, s.srvtype, s.srvversion,
                ARRAY(SELECT split_part(o, '=', 1) FROM unnest(s.srvoptions) o)),
         s.srvowner, coalesce(s.srvacl, acldefault('S', s.srvowner))
    FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
  UNION ALL
  SELECT 'pg_user_mapping'::regclass, u.umid,
         format('options %s', ARRAY(SELECT split_part(o, '=', 1) FROM unnest(u.umoptions) o)), NULL, NULL
    FROM pg_user_mappings u
  UNION ALL
  SELECT 'pg_ts_parser'::regclass, p.oid,
         format('start %s token %s end %s headline %s types %s', p.prsstart, p.prstoken, p.prsend, p.prsheadline,
                p.prslextype),
         NULL, NULL
    FROM pg_ts_parser p
  UNION ALL
  SELECT 'pg_ts_template'::regclass, t.oid, format('init %s lexize %s', t.tmplinit, t.tmpllexize), NULL, NULL
    FROM pg_ts_template t
  UNION ALL
  SELECT 'pg_ts_dict'::regclass, d.oid,
         format('template %s options %s',
                (SELECT quote_ident(n.nspname) || '.' || quote_ident(t.tmplname)
                   FROM pg_ts_template t JOIN pg_namespace n ON n.oid = t.tmplnamespace WHERE t.oid = d.dicttemplate),
                d.dictinitoption),
         d.dictowner, NULL
    FROM pg_ts_dict d
  UNION ALL
  SELECT 'pg_ts_config'::regclass, c.oid,
         (SELECT string_agg(format('%s %s', m.maptokentype, m.mapdict::regdictionary), ', '
                            ORDER BY m.maptokentype, m.mapseqno)
            FROM pg_ts_config_map m WHERE m.mapcfg = c.oid),
         c.cfgowner, NULL
    FROM pg_ts_config c
  UNION ALL
  SELECT 'pg_am'::regclass, a.oid, format('%s %s', a.amtype, a.amhandler), NULL, NULL
    FROM pg_am a
  UNION ALL
  SELECT 'pg_transform'::regclass, t.oid,
         format('from %s to %s', nullif(t.trffromsql, 0)::regprocedure, nullif(t.trftosql, 0)::regprocedure), NULL, NULL
    FROM pg_transform t
  UNION ALL
  -- its connection string may hold a password, and only a superuser may read it
  SELECT 'pg_subscription'::regclass, s.oid,
         concat_ws(' ',
                   'binary ' || s.subbinary, -- since 14
                   format('enabled %s slot %s synchronous_commit %s publications %s', s.subenabled, s.subslotname,
                          s.subsynccommit, s.subpublications)),
         s.subowner, NULL
    FROM pg_subscription s
   WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  UNION ALL
  SELECT 'pg_default_acl'::regclass, d.oid, '', d.defaclrole, d.defaclacl
    FROM pg_default_acl d
)
SELECT f.oid, c.relname AS catalog, i.type AS kind, i.identity, coalesce(f.definition, '') AS definition,
       pg_get_userbyid(f.owner) AS owner, f.acl::text AS acl
  FROM found f
  JOIN pg_class c ON c.oid = f.classid
 CROSS JOIN LATERAL pg_identify_object(f.classid, f.oid, 0) i
 WHERE f.oid >= 16384 AND i.identity IS NOT NULL
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = f.classid AND e.objid = f.oid AND e.deptype IN ('e', 'i'))
UNION ALL
-- values may be secrets when the name says so (ALTER DATABASE ... SET app.jwt_secret)
SELECT 0, 'pg_db_role_setting', 'database setting',
       CASE s.setrole WHEN 0 THEN 'for all roles' ELSE 'for role ' || quote_ident(pg_get_userbyid(s.setrole)) END,
       (SELECT string_agg(regexp_replace(v, '^([^=]*(?:pass|secret|key|token|credential)[^=]*)=.*', '\1=***', 'i'), ', '
                          ORDER BY v)
          FROM unnest(s.setconfig) v),
       NULL, NULL
  FROM pg_db_role_setting s
 WHERE s.setdatabase = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())

-- name: grants
-- What each distinct list of privileges says; objects refer to it by its text.
WITH lists (acl) AS (
  SELECT coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
    FROM pg_class c WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
  UNION SELECT a.attacl FROM pg_attribute a WHERE a.attrelid >= 16384 AND a.attacl IS NOT NULL
  UNION SELECT coalesce(n.nspacl, acldefault('n', n.nspowner)) FROM pg_namespace n
  UNION SELECT coalesce(p.proacl, acldefault('f', p.proowner)) FROM pg_proc p WHERE p.oid >= 16384
  UNION SELECT coalesce(t.typacl, acldefault('T', t.typowner)) FROM pg_type t WHERE t.oid >= 16384
  UNION SELECT coalesce(l.lanacl, acldefault('l', l.lanowner)) FROM pg_language l WHERE l.oid >= 16384
  UNION SELECT coalesce(w.fdwacl, acldefault('F', w.fdwowner)) FROM pg_foreign_data_wrapper w
  UNION SELECT coalesce(s.srvacl, acldefault('S', s.srvowner)) FROM pg_foreign_server s
  UNION SELECT d.defaclacl FROM pg_default_acl d
)
SELECT l.acl::text AS acl,
       CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END AS grantee,
       pg_get_userbyid(g.grantor)::text AS grantor, g.privilege_type AS privilege, g.is_grantable AS grantable
  FROM lists l
 CROSS JOIN LATERAL aclexplode(l.acl) g

-- name: comments
SELECT d.classoid, d.objoid, d.objsubid, d.description
  FROM pg_description d
 WHERE d.objoid >= 16384 OR d.classoid = 'pg_namespace'::regclass

-- name: labels
SELECT s.classoid, s.objoid, s.objsubid, s.provider, s.label
  FROM pg_seclabel s
 ORDER BY s.provider, s.label

-- name: members
SELECT d.classid AS classoid, d.objid AS objoid, d.objsubid, e.extname
  FROM pg_depend d
  JOIN pg_extension e ON e.oid = d.refobjid
 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND d.objid >= 16384

-- name: dependencies
-- Without the triggers that belong to constraints and the toast tables: nobody names them, and nothing depends on them.
SELECT d.classid, d.refclassid, d.deptype::text AS kind,
       array_agg(d.objid) AS dependents, array_agg(d.objsubid) AS dependent_subs,
       array_agg(d.refobjid) AS referenced, array_agg(d.refobjsubid) AS referenced_subs
  FROM pg_depend d
 WHERE d.refobjid >= 16384
   AND NOT (d.classid = 'pg_trigger'::regclass AND d.refclassid = 'pg_constraint'::regclass)
   AND NOT (d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i' AND d.objsubid = 0
            AND d.refobjsubid = 0)
 GROUP BY d.classid, d.refclassid, d.deptype

-- name: catalogs
SELECT c.oid, c.relname FROM pg_class c WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r'
