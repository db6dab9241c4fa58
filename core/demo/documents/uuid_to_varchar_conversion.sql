-- Converts users.id and organizations.id, and what references them, from UUID to VARCHAR(36).
-- Phase 5 is not finished: it recreates three foreign keys of more than a hundred.
BEGIN;

-- Phase 1: verify
DO $$
BEGIN
  IF (SELECT data_type FROM information_schema.columns
      WHERE table_schema = 'public' AND table_name = 'users' AND column_name = 'id') <> 'uuid' THEN
    RAISE EXCEPTION 'users.id is not UUID';
  END IF;
END $$;

-- Phase 2: drop the foreign keys
DO $$
DECLARE
  r record;
  dropped integer := 0;
BEGIN
  FOR r IN
    SELECT DISTINCT tc.table_schema, tc.table_name, tc.constraint_name
    FROM information_schema.table_constraints tc
    JOIN information_schema.constraint_column_usage ccu
      ON ccu.constraint_name = tc.constraint_name AND ccu.constraint_schema = tc.constraint_schema
    WHERE tc.constraint_type = 'FOREIGN KEY' AND ccu.table_name IN ('users', 'organizations') AND ccu.column_name = 'id'
  LOOP
    EXECUTE format('ALTER TABLE %I.%I DROP CONSTRAINT %I', r.table_schema, r.table_name, r.constraint_name);
    dropped := dropped + 1;
  END LOOP;
  RAISE NOTICE 'Total FKs dropped: %', dropped;
END $$;

-- Phase 3: convert the primary keys
ALTER TABLE users ALTER COLUMN id TYPE VARCHAR(36) USING id::text;
ALTER TABLE organizations ALTER COLUMN id TYPE VARCHAR(36) USING id::text;

-- Phase 4: convert the columns that reference them
DO $$
DECLARE
  c record;
  converted integer := 0;
BEGIN
  FOR c IN
    SELECT table_schema, table_name, column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND data_type = 'uuid'
      AND column_name IN ('user_id', 'organization_id', 'owner_id', 'created_by')
  LOOP
    EXECUTE format('ALTER TABLE %I.%I ALTER COLUMN %I TYPE VARCHAR(36) USING %I::text',
                   c.table_schema, c.table_name, c.column_name, c.column_name);
    converted := converted + 1;
  END LOOP;
  RAISE NOTICE 'Total FK columns: %', converted;
END $$;

-- Phase 5: recreate the foreign keys
ALTER TABLE users ADD CONSTRAINT users_manager_id_fkey
  FOREIGN KEY (manager_id) REFERENCES users (id) ON DELETE SET NULL;
ALTER TABLE organization_members ADD CONSTRAINT organization_members_user_id_fkey
  FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;
ALTER TABLE pipelines ADD CONSTRAINT pipelines_organization_id_fkey
  FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE;
-- TODO: all the others

-- Phase 6: validate
DO $$
BEGIN
  IF (SELECT data_type FROM information_schema.columns
      WHERE table_schema = 'public' AND table_name = 'users' AND column_name = 'id') <> 'character varying' THEN
    RAISE EXCEPTION 'users.id was not converted';
  END IF;
END $$;

-- COMMIT; or ROLLBACK; by hand, after reading the output
